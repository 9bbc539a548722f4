import MigrationModel
import PageCodec
import TestSupport
import Testing

@Suite("Page hashes and the digest over them")
struct PageHashTests {
    /// Breaks when zero pages have two hashes, or a hash is the mark of "never sent".
    @Test("a page of zeros hashes without being read", arguments: [0, 1, 77, 1 << 32, UInt64.max])
    func zeroPage(page: UInt64) {
        let key = PageHashKey(secret: 42)
        let zeros = [UInt8](repeating: 0, count: PageGeometry.pageSize)
        #expect(hash(zeros, page, key) == key.zeroPage(page))
        #expect(key.zeroPage(page) != PageHashKey.neverSent)
        #expect(key.zeroPage(page) != PageHashKey(secret: 43).zeroPage(page))
        #expect(key.zeroPage(page) != key.zeroPage(page &+ 1))
    }

    /// Breaks when some part of a page, the page number or the secret does not count.
    @Test("every byte, the page number and the secret count")
    func sensitivity() {
        let key = PageHashKey(secret: 42)
        var random = Seeded(8)
        var content = Content.random.page(&random)
        let original = hash(content, 5, key)
        #expect(hash(content, 6, key) != original)
        #expect(hash(content, 5, PageHashKey(secret: 41)) != original)
        for index in content.indices {
            content[index] ^= 1
            #expect(hash(content, 5, key) != original)
            content[index] ^= 1
        }
        #expect(hash(content, 5, key) == original)
        #expect(hash(content.dropLast(), 5, key) == nil)
    }

    /// Breaks when two builds disagree about the hash, which would fail every migration.
    @Test("the hash of a known page is the known value")
    func knownValue() {
        let content = (0..<PageGeometry.pageSize).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let key = PageHashKey(secret: 0x0123_4567_89AB_CDEF)
        #expect(hash(content, 9, key)?.hexadecimal == "3ca58930bb7e5124")
        #expect(key.zeroPage(9).hexadecimal == "22776dec607caea9")
    }

    /// Breaks when the digest depends on order or history, or lanes do not add up.
    @Test("the digest depends on the table alone and is the sum of the lanes'")
    func digestOfLanes() throws {
        var random = Seeded(21)
        let table = try PageHashTable(pageCount: 1000)
        var lanes = [ImageDigest(), ImageDigest(), ImageDigest()]
        for _ in 0..<5000 {
            let page = random.next() % 1000
            let new = random.next() % 8 == 0 ? PageHashKey.neverSent : random.next()
            lanes[Int(random.next() % 3)].replace(page: page, old: table[page], new: new)
            table[page] = new
        }
        let total = lanes.reduce(ImageDigest(), +)
        #expect(total == ImageDigest(of: table))
        #expect(ImageDigest(total.bits) == total)
    }

    /// Breaks when hashes may trade places, or a missing page goes unnoticed.
    @Test("swapped, missing and changed hashes change the digest")
    func digestDetects() throws {
        let table = try PageHashTable(pageCount: 16)
        var random = Seeded(2)
        for page in 0..<16 as Range<UInt64> { table[page] = random.next() | 1 }
        let original = ImageDigest(of: table)
        let (first, second) = (table[3], table[7])
        (table[3], table[7]) = (second, first)
        #expect(ImageDigest(of: table) != original)
        (table[3], table[7]) = (first, second)
        #expect(ImageDigest(of: table) == original)
        table[3] = PageHashKey.neverSent
        #expect(ImageDigest(of: table) != original)
        table[3] = first &+ 1
        table[7] = second &- 1
        #expect(ImageDigest(of: table) != original)
    }

    private func hash(_ content: [UInt8], _ page: UInt64, _ key: PageHashKey) -> UInt64? {
        let span = unsafe content.span.bytes
        return key.hash(of: span, page: page)
    }
}
