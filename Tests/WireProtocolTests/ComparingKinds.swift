import MigrationModel
import TestSupport
import Testing
import WireProtocol

extension MessageKind {
    /// Messages that compare memory between the two agents of a move.
    static let comparing: [MessageKind] = [
        MessageKind(
            ImageHashed(attempt: sampleAttempt, digest: sampleDigest),
            Layout.attempt + [Layout.digest]
        ) { ImageHashed(attempt: $0.attempt(), digest: $0.bits()) },
        MessageKind(HashesWanted(attempt: sampleAttempt), Layout.attempt) {
            HashesWanted(attempt: $0.attempt())
        },
        MessageKind(
            PageHashes(attempt: sampleAttempt, first: 4096, hashes: [1, 0, 0xFACE]),
            Layout.attempt + [
                .fixed("first", 8), .list("hashes", WireLimits.pageHashes, [.fixed("hash", 8)]),
            ]
        ) { random in
            PageHashes(
                attempt: random.attempt(), first: random.next(),
                hashes: (0..<random.below(300)).map { _ in random.next() })
        },
        MessageKind(
            ImageCompared(
                attempt: sampleAttempt, differing: DifferingPages(count: 1, first: [17]) ?? .init()),
            Layout.attempt + Layout.differing
        ) { ImageCompared(attempt: $0.attempt(), differing: $0.differing()) },
    ]
}

@Suite("What a peer says of pages that differ")
struct DifferingPagesTests {
    // Broken by: a count without its pages, more pages than are counted or allowed, or an order
    // that is none, taken for a result.
    @Test(
        "is refused when it contradicts itself",
        arguments: [
            (0, [1]), (1, []), (2, [5]), (2, [5, 5]), (2, [6, 5]), (16, Array(1...15)),
            (17, Array(1...17)), (3, [1, 2, 3, 4]),
        ] as [(UInt64, [UInt64])])
    func contradictions(count: UInt64, first: [UInt64]) throws {
        var writer = WireWriter()
        writer.attempt(MessageKind.sampleAttempt)
        writer.integer(count)
        writer.list(first) { $0.integer($1) }
        #expect(throws: WireError.self) {
            try unsafe ImageCompared(payload: writer.bytes.span.bytes)
        }
    }

    // Broken by: a number left out of the sentence, or more than 16 in it.
    @Test func sentences() {
        var pages = DifferingPages()
        #expect(pages.description == "no page differs")
        pages.add(17)
        #expect(pages.description == "1 page differs: 17")
        pages.add(18)
        #expect(pages.description == "2 pages differ: 17, 18")
        for page in 100..<138 as Range<UInt64> { pages.add(page) }
        #expect(pages.first.count == 16)
        #expect(pages.description.hasPrefix("40 pages differ: 17, 18, 100, "))
        #expect(pages.description.hasSuffix(", 113, …"))
    }

    // Broken by: a list of hashes beyond the limit allocated before it is refused.
    @Test func tooManyHashes() {
        var writer = WireWriter()
        writer.attempt(MessageKind.sampleAttempt)
        writer.integer(UInt64(0))
        writer.integer(UInt32(WireLimits.pageHashes + 1))
        let error = #expect(throws: WireError.self) {
            try unsafe PageHashes(payload: writer.bytes.span.bytes)
        }
        #expect(error == .tooLong(WireLimits.pageHashes + 1))
    }

    // Broken by: a limit that one frame cannot carry.
    @Test func theLargestPieceFitsAFrame() {
        let hashes = [UInt64](repeating: .max, count: WireLimits.pageHashes)
        let piece = PageHashes(attempt: MessageKind.sampleAttempt, first: 0, hashes: hashes)
        #expect(piece.payload.count <= WireLimits.payload)
    }
}
