import Foundation
import LinuxSystem
import PageCodec

/// The page codec on one core, 256 MiB of pages of one kind.
struct CodecBenchmark {
    let runs: Int
    private static let pages = 65_536

    func run() throws {
        for (name, fill) in [("random", randomPage), ("text", textPage)] {
            for codec in Codec.allCases {
                var encode: [Double] = []
                var decode: [Double] = []
                for _ in 0..<runs {
                    let (encoding, decoding) = try measure(codec, fill)
                    encode.append(Double(Self.pages) * 4096 / encoding.seconds / 1e9)
                    decode.append(Double(Self.pages) * 4096 / decoding.seconds / 1e9)
                }
                print("codec  \(name) \(codec)  encode \(Spread(encode, "GB/s"))")
                print("codec  \(name) \(codec)  place  \(Spread(decode, "GB/s"))")
            }
        }
    }

    private func measure(
        _ codec: Codec, _ fill: (UnsafeMutableBufferPointer<UInt64>, Int) -> Void
    ) throws -> (Duration, Duration) {
        let size = Self.pages * 4096
        let source = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        let target = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        defer {
            source.deallocate()
            target.deallocate()
        }
        target.initializeMemory(as: UInt8.self, repeating: 0)
        let words = source.bindMemory(to: UInt64.self)
        for page in 0..<Self.pages {
            fill(UnsafeMutableBufferPointer(rebasing: words[page * 512..<page * 512 + 512]), page)
        }
        let key = PageHashKey(secret: 7)
        var encoder = try BatchEncoder(key: key)
        var decoder = try BatchDecoder(key: key)
        let sent = try PageHashTable(pageCount: Self.pages)
        let placed = try PageHashTable(pageCount: Self.pages)
        var digests = (ImageDigest(), ImageDigest())
        var (encoding, decoding) = (Duration.zero, Duration.zero)
        for first in stride(from: 0, to: Self.pages, by: BatchLimits.pages) {
            let pages = (first..<first + BatchLimits.pages).map(UInt64.init)
            var start = MonotonicTime.now
            _ = try encoder.encode(
                pages.span, round: 0, memory: UnsafeRawBufferPointer(source), table: sent,
                digest: &digests.0, codec: codec)
            encoding += start.elapsed
            start = .now
            _ = try encoder.withFrame { frame in
                try decoder.decode(
                    frame.bytes.extracting(32...), round: 0, into: target, table: placed,
                    digest: &digests.1)
            }
            decoding += start.elapsed
        }
        precondition(digests.0 == digests.1, "what was placed differs from what was sent")
        return (encoding, decoding)
    }

    private func randomPage(_ words: UnsafeMutableBufferPointer<UInt64>, _ page: Int) {
        var state = UInt64(page) &* 0x9E37_79B9_7F4A_7C15 | 1
        for index in 0..<512 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            words[index] = state
        }
    }

    private func textPage(_ words: UnsafeMutableBufferPointer<UInt64>, _ page: Int) {
        let text = Array(
            "page \(page): the guest writes a log line with a number and a word\n".utf8)
        let bytes = UnsafeMutableRawBufferPointer(words)
        for index in 0..<4096 {
            bytes[index] = text[index % text.count] &+ (index % 97 == page % 97 ? 1 : 0)
        }
    }
}
