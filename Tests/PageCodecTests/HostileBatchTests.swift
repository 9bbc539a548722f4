import MigrationModel
import PageCodec
import TestSupport
import Testing

@Suite("Batches from a peer that is not trusted")
struct HostileBatchTests {
    /// A pair and the payload of a batch with two zero runs and two data runs.
    static func sample(_ codec: Codec) throws -> (pair: Pair, payload: [UInt8]) {
        let pair = try Pair(pages: 64)
        var random = Seeded(99)
        for page in [3, 4, 9] as [UInt64] { pair.source.set(page, Content.text.page(&random)) }
        let (batch, payload) = try pair.encode([2, 3, 4, 8, 9], codec, round: 6)
        try #require(batch.codec == codec && batch.zero == 2 && batch.data == 3)
        return (pair, payload)
    }

    /// Breaks when a refused batch has left a trace.
    static func expectUntouched(_ pair: Pair) {
        #expect(pair.placedDigest == ImageDigest())
        #expect(ImageDigest(of: pair.placed) == ImageDigest())
        #expect(pair.destination.residentPages() == 0)
    }

    /// Breaks when a length is trusted before the bytes are known to be there.
    @Test("every truncation is refused", arguments: Codec.allCases)
    func truncation(codec: Codec) throws {
        let (pair, payload) = try Self.sample(codec)
        for length in 0..<payload.count {
            #expect(throws: BatchError.truncated) {
                try pair.decode(Array(payload.prefix(length)), round: 6)
            }
        }
        #expect(throws: BatchError.trailingBytes) { try pair.decode(payload + [0], round: 6) }
        Self.expectUntouched(pair)
        try pair.decode(payload, round: 6)
        #expect(pair.sentDigest == pair.placedDigest)
    }

    /// Breaks when a flipped bit is neither refused, nor visible in the digest, nor harmless.
    @Test(
        "every flipped bit is refused, changes the digest or changes nothing",
        arguments: Codec.allCases)
    func flippedBits(codec: Codec) throws {
        let (pair, payload) = try Self.sample(codec)
        let head = BatchLayout.headerBytes + 4 * BatchLayout.runBytes
        var random = Seeded(4)
        let bits =
            Array(0..<head * 8)
            + (0..<600).map { _ in Int.random(in: head * 8..<payload.count * 8, using: &random) }
        var harmless = 0
        for bit in bits {
            var damaged = payload
            damaged[bit / 8] ^= 1 << (bit % 8)
            guard (try? pair.decode(damaged, round: 6)) != nil else {
                if bit % 64 == 0 { Self.expectUntouched(pair) }
                continue
            }
            if pair.placedDigest == pair.sentDigest {
                #expect(pair.isSame, "bit \(bit)")
                harmless += 1
            }
            try pair.resetDestination()
        }
        // Uncompressed, every bit counts; a compressed stream can say the same in two ways.
        #expect(codec != .none || harmless == 0)
        #expect(harmless < bits.count / 10)
    }

    /// Breaks when some damage makes the decoder trap or write outside the guest's memory.
    @Test("random damage never traps", arguments: Codec.allCases)
    func randomDamage(codec: Codec) throws {
        let (pair, payload) = try Self.sample(codec)
        var random = Seeded(5)
        for _ in 0..<1500 {
            var damaged = payload
            for _ in 0..<1 + random.next() % 6 {
                let limit = random.next() % 2 == 0 ? 80 : damaged.count
                damaged[Int(random.next() % UInt64(limit))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            if (try? pair.decode(damaged, round: 6)) != nil {
                #expect(ImageDigest(of: pair.placed) == pair.placedDigest)
                try pair.resetDestination()
            }
        }
    }

    /// One way to break a header or a run: little-endian bytes put at an offset.
    struct Damage: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var offset: Int
        var bytes: [UInt8]
        var error: BatchError

        init(_ name: String, _ offset: Int, _ bytes: [UInt8], _ error: BatchError) {
            testDescription = name
            self.offset = offset
            self.bytes = bytes
            self.error = error
        }
    }

    /// The sample's runs start at 16: zero 2, data 3–4, zero 8, data 9.
    static let damages: [Damage] = [
        Damage("another round", 0, [7], .wrongRound(7)),
        Damage("unknown codec", 4, [3], .unknownCodec(3)),
        Damage("reserved byte", 5, [1], .reserved),
        Damage("reserved word", 10, [0, 1], .reserved),
        Damage("no runs", 6, [0, 0], .empty),
        Damage("65 runs", 6, [65, 0], .tooManyRuns),
        Damage("65535 runs", 6, [255, 255], .tooManyRuns),
        Damage("more runs than bytes", 6, [64, 0], .truncated),
        Damage("fewer runs", 6, [3, 0], .trailingBytes),
        Damage("65 data pages", 8, [65, 0], .tooManyPages),
        Damage("a data page too many", 8, [4, 0], .encodedLength),
        Damage("short encoded length", 12, [0, 1, 0, 0], .encodedLength),
        Damage("huge encoded length", 12, [255, 255, 255, 255], .encodedLength),
        Damage("empty run", 24, [0, 0], .emptyRun),
        Damage("run too long", 24, [65, 0], .tooManyPages),
        Damage("unknown kind", 26, [0], .unknownKind(0)),
        Damage("another unknown kind", 26, [9], .unknownKind(9)),
        Damage("reserved byte of a run", 27, [1], .reserved),
        Damage("last reserved byte of a run", 31, [128], .reserved),
        Damage("page beyond memory", 64, [64], .pageRange),
        Damage("run across the end of memory", 32, [63], .pageRange),
        Damage("page number near the top", 64, [UInt8](repeating: 255, count: 8), .pageRange),
        Damage("runs that overlap", 48, [4], .order),
        Damage("runs that descend", 48, [1], .order),
        Damage("data called zero", 42, [1], .dataPageCount),
        Damage("zero called data", 26, [2], .dataPageCount),
        Damage("a longer data run", 40, [3], .dataPageCount),
    ]

    /// Breaks when a check is missing or another one answers in its place.
    @Test("each broken field gives its own error", arguments: damages)
    func brokenFields(damage: Damage) throws {
        let (pair, payload) = try Self.sample(.none)
        var damaged = payload
        damaged.replaceSubrange(
            damage.offset..<damage.offset + damage.bytes.count, with: damage.bytes)
        #expect(throws: damage.error) { try pair.decode(damaged, round: 6) }
        Self.expectUntouched(pair)
        #expect(!damage.error.livemigError.explanation.isEmpty)
    }

    /// Breaks when the limits of the decompressors are not enforced.
    @Test(
        "content that does not decode to exactly its pages is refused",
        arguments: [
            (Codec.lz4, [0x00]), (.lz4, [0xF0, 0xFF, 0xFF, 0x00]), (.zstd, [0x28]),
            (.zstd, [0x28, 0xB5, 0x2F, 0xFD]),
            // A frame with a window descriptor of 2 GiB, then one that asks for a dictionary.
            (
                .zstd,
                [0x28, 0xB5, 0x2F, 0xFD, 0x80, 0xA8, 0x00, 0x10, 0x00, 0x00, 0x01, 0x00, 0x00]
            ),
            (.zstd, [0x28, 0xB5, 0x2F, 0xFD, 0x61, 0x07, 0x00, 0x0F, 0x01, 0x00, 0x00]),
            // A skippable frame.
            (.zstd, [0x50, 0x2A, 0x4D, 0x18, 0x01, 0x00, 0x00, 0x00, 0x00]),
        ] as [(Codec, [UInt8])])
    func corruptContent(codec: Codec, content: [UInt8]) throws {
        let pair = try Pair(pages: 4)
        let header: [UInt8] = [
            0, 0, 0, 0, codec.rawValue, 0, 1, 0, 1, 0, 0, 0, UInt8(content.count), 0, 0, 0,
            1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0,
        ]
        #expect(throws: BatchError.corrupt(codec)) { try pair.decode(header + content) }
        Self.expectUntouched(pair)
    }

    /// Breaks when a frame that says fewer or more pages than the header is placed.
    @Test("a compressed batch with another page count is refused", arguments: [Codec.lz4, .zstd])
    func wrongCount(codec: Codec) throws {
        let (pair, payload) = try Self.sample(codec)
        for (count, run) in [(2, 1), (4, 3)] as [(UInt8, UInt8)] {
            var damaged = payload
            damaged[8] = count
            damaged[40] = run
            #expect(throws: BatchError.corrupt(codec)) { try pair.decode(damaged, round: 6) }
        }
        Self.expectUntouched(pair)
    }

    /// Breaks when memory smaller than the table is written.
    @Test("memory smaller than the table is refused")
    func smallMemory() throws {
        let (pair, payload) = try Self.sample(.none)
        let small = try GuestImage(pages: 63)
        var decoder = try BatchDecoder(key: pair.key)
        var digest = ImageDigest()
        #expect(throws: BatchError.memorySize) {
            try unsafe decoder.decode(
                payload.span.bytes, round: 6, into: small.memory, table: pair.placed,
                digest: &digest)
        }
    }
}
