/// The page that tells an observer of guest RAM when the guest ran last.
///
/// Little-endian 64-bit words, as in the Linux guest of the tests: bytes 0–15 `LIVEMIGHEARTBEAT`,
/// 16 a counter that grows by one every 0.5 ms, or as `beat` says, while the guest runs, 24 the
/// CLOCK_MONOTONIC nanoseconds of that moment, 32 the counter again, written last, 40 the pages
/// rewritten so far; the rest is zero.
public struct Heartbeat: Hashable, Sendable {
    /// How often the guest's heart has beaten.
    public var count: UInt64 = 0
    /// When it beat last: CLOCK_MONOTONIC nanoseconds of the host it ran on then.
    public var time: UInt64 = 0
    /// How many pages the writers had rewritten by then.
    public var pagesRewritten: UInt64 = 0

    /// Nanoseconds from beat to beat, unless the command line says otherwise.
    public static let period: UInt64 = 500_000

    /// A heart that has not beaten yet.
    public init() {}

    /// The words of the page in order.
    var words: [UInt64] {
        var words = [UInt64](repeating: 0, count: PageContent.wordCount)
        (words[0], words[1]) = Self.magic
        (words[2], words[3], words[4], words[5]) = (count, time, count, pagesRewritten)
        return words
    }

    /// Reads the page from another process's view of guest RAM; `nil` when it has no magic or was
    /// read in the middle of a beat.
    ///
    /// - Parameter page: the page's 4096 bytes.
    public init?(page: [UInt8]) {
        guard page.count >= 48 else { return nil }
        let words = (0..<6).map { word in
            (0..<8).reduce(UInt64(0)) { $0 | UInt64(page[word * 8 + $1]) << ($1 * 8) }
        }
        guard words[0] == Self.magic.0, words[1] == Self.magic.1, words[2] == words[4] else {
            return nil
        }
        (count, time, pagesRewritten) = (words[2], words[3], words[5])
    }

    /// `LIVEMIGHEARTBEAT` as two little-endian words.
    private static let magic: (UInt64, UInt64) = (0x4847_494D_4556_494C, 0x5441_4542_5452_4145)
}
