import PageCodec
import Synchronization
import TestSupport
import Testing

@Suite("Batches from encoder to decoder")
struct RoundTripTests {
    /// Breaks when a page is misplaced, lost or altered, or a digest is not kept up to date.
    @Test(
        "random rounds arrive byte for byte", arguments: Codec.allCases,
        1...4 as ClosedRange<UInt64>)
    func rounds(codec: Codec, seed: UInt64) throws {
        let pair = try Pair(pages: 300)
        var random = Seeded(seed)
        for round in 0..<5 as Range<UInt32> {
            let dirty = (0..<300 as Range<UInt64>).filter { _ in
                round == 0 || random.next() % 3 == 0
            }
            pair.fill(dirty, seed: random.next())
            for start in stride(from: 0, to: dirty.count, by: BatchLimits.pages) {
                let pages = Array(dirty[start..<min(start + BatchLimits.pages, dirty.count)])
                let (batch, payload) = try pair.encode(pages, codec, round: round)
                #expect(batch.zero + batch.data + batch.unchanged == pages.count)
                #expect(payload.count == batch.payloadBytes)
                guard !batch.isEmpty else { continue }
                let placed = try pair.decode(payload, round: round)
                #expect(placed.zero == batch.zero && placed.data == batch.data)
                #expect(placed.codec == batch.codec && placed.encodedBytes == batch.encodedBytes)
            }
            #expect(pair.isSame)
            #expect(pair.sentDigest == pair.placedDigest)
            #expect(pair.sentDigest == ImageDigest(of: pair.sent))
            #expect(pair.placedDigest == ImageDigest(of: pair.placed))
        }
    }

    /// Breaks when compression is not used, or used although it does not shrink the data.
    @Test(
        "compressible data shrinks, random data travels as it is",
        arguments: [Codec.lz4, .zstd])
    func compression(codec: Codec) throws {
        let pair = try Pair(pages: 64)
        var random = Seeded(7)
        for page in 0..<64 as Range<UInt64> {
            pair.source.set(page, Content.text.page(&random))
        }
        let text = try pair.encode(Array(0..<64), codec).batch
        #expect(text.codec == codec && text.encodedBytes * 2 < text.rawBytes)
        for page in 0..<64 as Range<UInt64> {
            pair.source.set(page, Content.random.page(&random))
        }
        let noise = try pair.encode(Array(0..<64), codec).batch
        #expect(noise.codec == .none && noise.encodedBytes == 64 * PageGeometry.pageSize)
    }

    /// Breaks when a page that did not change is sent, or one that changed by a bit is not.
    @Test("pages equal to what was last sent are left out")
    func unchanged() throws {
        let pair = try Pair(pages: 64)
        pair.fill(0..<64, seed: 3)
        let first = try pair.encode(Array(0..<64), .lz4)
        try pair.decode(first.payload)
        let again = try pair.encode(Array(0..<64), .lz4, round: 1)
        #expect(again.batch.isEmpty && again.batch.unchanged == 64 && again.payload.isEmpty)
        var content = pair.source.bytes(of: 63)
        content[4095] ^= 0x80
        pair.source.set(63, content)
        let third = try pair.encode(Array(0..<64), .none, round: 2)
        #expect(third.batch.unchanged == 63 && third.batch.data == 1)
        try pair.decode(third.payload, round: 2)
        #expect(pair.isSame)
    }

    /// Breaks when a zero page leaves old content, or zero and content confuse the tables.
    @Test("a page goes from content to zero and back", arguments: Codec.allCases)
    func contentZeroContent(codec: Codec) throws {
        let pair = try Pair(pages: 8)
        var random = Seeded(1)
        for (round, kind) in [Content.text, .zero, .zero, .random, .zero].enumerated() {
            pair.source.set(5, kind.page(&random))
            let (batch, payload) = try pair.encode([5], codec, round: UInt32(round))
            if round == 2 {
                #expect(batch.unchanged == 1)
                continue
            }
            #expect(batch.zero == (kind == .zero ? 1 : 0))
            try pair.decode(payload, round: UInt32(round))
            #expect(pair.isSame)
            #expect(pair.sentDigest == pair.placedDigest)
        }
    }

    /// Breaks when a zero page is written, or read back, where nothing was ever placed.
    @Test("zero pages allocate nothing on an untouched destination")
    func zeroPagesStayHoles() throws {
        let pair = try Pair(pages: 256)
        for start in stride(from: 0, to: 256 as UInt64, by: 64) {
            let (batch, payload) = try pair.encode(Array(start..<start + 64), .none)
            #expect(batch.zero == 64 && batch.payloadBytes == 32)
            try pair.decode(payload)
        }
        #expect(pair.destination.residentPages() == 0)
        #expect(pair.sentDigest == pair.placedDigest && pair.placedDigest != ImageDigest())
        pair.fill([9], seed: 2)
        pair.source.set(9, [1])
        try pair.decode(pair.encode([9], .none, round: 1).payload, round: 1)
        #expect(pair.destination.residentPages() == 1)
    }

    /// Breaks when the encoder hashes or tests anything but the copy that it sends.
    @Test("a guest that writes meanwhile never makes hash and content disagree")
    func writingGuest() async throws {
        let pair = try Pair(pages: 64)
        let address = unsafe UInt(bitPattern: pair.source.memory.baseAddress)
        let (started, stop) = (Flag(), Flag())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                guard let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) else {
                    return
                }
                var random = Seeded(11)
                while !stop.isSet {
                    let word = random.next()
                    let offset = Int(word % UInt64(64 * PageGeometry.pageSize / 8)) * 8
                    unsafe memory.storeBytes(
                        of: word & 1 == 0 ? 0 : word, toByteOffset: offset, as: UInt64.self)
                    started.set()
                }
            }
            defer { stop.set() }
            while !started.isSet { await Task.yield() }
            for round in 0..<200 as Range<UInt32> {
                let (batch, payload) = try pair.encode(
                    Array(0..<64), Codec.allCases[Int(round % 3)], round: round)
                if !batch.isEmpty { try pair.decode(payload, round: round) }
                #expect(pair.sentDigest == pair.placedDigest)
            }
        }
        let (batch, payload) = try pair.encode(Array(0..<64), .none, round: 200)
        if !batch.isEmpty { try pair.decode(payload, round: 200) }
        #expect(pair.isSame)
    }

    /// Breaks when the encoder reads outside guest memory or accepts an unordered list.
    @Test(
        "lists of pages that are no batch are refused",
        arguments: [
            ([0, 64], BatchError.pageRange), ([UInt64.max], .pageRange), ([3, 3], .order),
            ([4, 3], .order), (Array(0..<65), .tooManyPages),
        ] as [([UInt64], BatchError)])
    func badLists(pages: [UInt64], error: BatchError) throws {
        let pair = try Pair(pages: 64)
        #expect(throws: error) { try pair.encode(pages, .none) }
        #expect(pair.sentDigest == ImageDigest())
    }

    /// Breaks when the gap is not left free or the payload does not follow it.
    @Test("the frame starts with the gap the caller asked for", arguments: [0, 32, 1024])
    func headerGap(gap: Int) throws {
        let pair = try Pair(pages: 64)
        pair.fill(0..<64, seed: 5)
        pair.source.set(0, [1])
        let expected = try pair.encode(Array(0..<64), .none).payload
        var encoder = try BatchEncoder(key: pair.key, headerGap: gap)
        let table = try PageHashTable(pageCount: 64)
        var digest = ImageDigest()
        let pages = Array(0..<64 as Range<UInt64>)
        _ = try unsafe encoder.encode(
            pages.span, round: 0, memory: UnsafeRawBufferPointer(pair.source.memory),
            table: table, digest: &digest, codec: .none)
        let frame = encoder.withFrame { frame in
            unsafe frame.withUnsafeMutableBytes { bytes in
                for index in 0..<gap { unsafe bytes[index] = 0xEE }
                return unsafe Array(bytes)
            }
        }
        #expect(frame == [UInt8](repeating: 0xEE, count: gap) + expected)
    }

    /// Breaks when a parameter out of range is taken.
    @Test("parameters out of range are refused")
    func parameters() {
        let key = PageHashKey(secret: 1)
        #expect(throws: (any Error).self) { _ = try BatchEncoder(key: key, headerGap: -1) }
        #expect(throws: (any Error).self) { _ = try BatchEncoder(key: key, headerGap: 1025) }
        #expect(throws: (any Error).self) { _ = try BatchEncoder(key: key, zstdLevel: 0) }
        #expect(throws: (any Error).self) { _ = try BatchEncoder(key: key, zstdLevel: 20) }
        #expect(throws: (any Error).self) { _ = try PageHashTable(pageCount: 0) }
        #expect(throws: (any Error).self) { _ = try PageHashTable(pageCount: Int.max) }
    }
}

/// Set once, read by another thread.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }
}
