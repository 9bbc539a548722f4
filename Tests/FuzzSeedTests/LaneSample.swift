import FuzzTargets
import MigrationModel
import PageCodec
import TestSupport
import WireProtocol

/// What a lane carries of a small guest: batches of every codec in two rounds.
enum LaneSample {
    private static let pages = 32
    private static let pageSize = 4096

    /// A script for `FuzzTarget.lane`: batches are 0, ends of rounds 1.
    static func lane() throws -> Script {
        let rounds = try rounds()
        return Script(
            rounds.enumerated().flatMap { number, batches in
                batches.map { Script.Line(0, $0) } + [
                    Script.Line(
                        1, RoundEnd(round: UInt32(number), batches: UInt64(batches.count)).payload)
                ]
            })
    }

    /// Scripts for `FuzzTarget.batches`, whose selector is the round.
    static func batches() throws -> [Seed] {
        let rounds = try rounds()
        let all = rounds.enumerated().flatMap { number, batches in
            batches.map { Script.Line(UInt8(number), $0) }
        }
        return [Seed("two-rounds", Script(all).input)]
            + zip(["none", "lz4", "zstd"], all).map { Seed($0, Script([$1]).input) }
    }

    /// The payloads of each round's batches.
    private static func rounds() throws -> [[[UInt8]]] {
        let image = UnsafeMutableRawBufferPointer.allocate(
            byteCount: pages * pageSize, alignment: pageSize)
        defer { unsafe image.deallocate() }
        unsafe image.initializeMemory(as: UInt8.self, repeating: 0)
        let key = PageHashKey(secret: 0x5EC2_E7)
        let table = try PageHashTable(pageCount: pages)
        var encoder = try BatchEncoder(key: key)
        var digest = ImageDigest()
        var result: [[[UInt8]]] = []
        let plan: [[(pages: [UInt64], codec: Codec)]] = [
            [([0, 1, 2], .none), ([3, 4, 7], .lz4), ([8, 20, 31], .zstd)],
            [([1, 4, 8], .lz4), ([20, 21], .zstd)],
        ]
        for (round, batches) in plan.enumerated() {
            var payloads: [[UInt8]] = []
            for (pages, codec) in batches {
                for page in pages where page % 4 != 2 { unsafe fill(image, page, round) }
                _ = try unsafe encoder.encode(
                    pages.span, round: UInt32(round), memory: UnsafeRawBufferPointer(image),
                    table: table, digest: &digest, codec: codec)
                payloads.append(
                    encoder.withFrame { frame in
                        unsafe frame.bytes.withUnsafeBytes {
                            unsafe Array($0.dropFirst(FrameHeader.size))
                        }
                    })
            }
            result.append(payloads)
        }
        return result
    }

    private static func fill(
        _ image: UnsafeMutableRawBufferPointer, _ page: UInt64, _ round: Int
    ) {
        let text = Array("page \(page) of round \(round) ".utf8)
        for index in 0..<pageSize {
            unsafe image[Int(page) * pageSize + index] = text[index % text.count]
        }
    }
}
