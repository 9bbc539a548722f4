import MigrationModel
import PageCodec
import TestSupport
import Testing

@Suite("Finding the pages whose hashes differ")
struct PageComparisonTests {
    private static func table(_ hashes: [UInt64: UInt64], pages: Int = 1000) throws -> PageHashTable
    {
        let table = try PageHashTable(pageCount: pages)
        for (page, hash) in hashes { table[page] = hash }
        return table
    }

    // Breaks when a page between, before or after pieces is not compared, or a sound one is blamed.
    @Test func pagesThatNoPieceCovers() throws {
        let own = try Self.table([0: 7, 10: 1, 11: 2, 500: 3, 999: 4])
        var comparison = PageComparison()
        try comparison.take([1, 9, 5], from: 10, against: own)
        try comparison.take([3], from: 500, against: own)
        comparison.finish(against: own)
        // Page 0 and page 999 are missing from the peer's, 12 from ours, and 11 is another.
        #expect(comparison.differing == DifferingPages(count: 4, first: [0, 11, 12, 999]))
    }

    // Breaks when equal tables are said to differ.
    @Test func equalTables() throws {
        var random = Seeded(5)
        var hashes: [UInt64: UInt64] = [:]
        for _ in 0..<300 { hashes[random.next() % 1000] = random.next() | 1 }
        let own = try Self.table(hashes)
        var comparison = PageComparison()
        for first in stride(from: 0, to: 1000, by: 70) as StrideTo<UInt64> {
            let pages = first..<min(first + 70, 1000)
            try comparison.take(own.hashes(of: pages), from: first, against: own)
        }
        comparison.finish(against: own)
        #expect(comparison.differing.isEmpty)
    }

    // Breaks when a piece that overlaps, or goes beyond the guest, traps or counts.
    @Test(
        "pieces that do not fit are refused",
        arguments: [
            (0, 1, BatchError.order), (100, 1, .order), (998, 3, .pageRange), (1001, 0, .pageRange),
            (UInt64.max, 1, .pageRange), (UInt64.max - 1, 2, .pageRange),
        ])
    func misfits(first: UInt64, count: Int, error: BatchError) throws {
        let own = try Self.table([:])
        var comparison = PageComparison()
        try comparison.take([UInt64](repeating: 0, count: 101), from: 0, against: own)
        let before = comparison
        #expect(throws: error) {
            try comparison.take([UInt64](repeating: 1, count: count), from: first, against: own)
        }
        #expect(comparison == before)
        try comparison.take([], from: 1000, against: own)
    }

    // Breaks when a page that was sent as zeros and one that was never sent count as different
    // contents, or the digest is not that of the table.
    @Test func zeroPagesAreForgotten() throws {
        let key = PageHashKey(secret: 99)
        let sent = try Self.table([3: key.zeroPage(3), 4: 44, 5: key.zeroPage(4)])
        let never = try Self.table([4: 44, 5: key.zeroPage(4)])
        #expect(ImageDigest(of: sent) != ImageDigest(of: never))
        let digest = sent.forgetZeroPages(key)
        #expect(digest == never.forgetZeroPages(key))
        #expect(digest == ImageDigest(of: sent))
        #expect(sent[3] == PageHashKey.neverSent)
        // The hash of zeros on another page is not that of zeros.
        #expect(sent[5] == key.zeroPage(4))
    }
}
