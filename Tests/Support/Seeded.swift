/// A seeded generator (SplitMix64), so that a failure repeats with the seed that the test prints.
public struct Seeded: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Starts at a seed.
    public init(_ seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// A number below a bound.
    public mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    /// Random bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// Text of up to some bytes in UTF-8, of characters of one to four bytes each.
    public mutating func text(_ limit: Int) -> String {
        let alphabet = ["a", "Z", "7", " ", "\"", "\n", "é", "→", "𝛌", "\u{0}"]
        var text = ""
        for _ in 0..<below(limit + 1) {
            let next = alphabet[below(alphabet.count)]
            if text.utf8.count + next.utf8.count > limit { break }
            text += next
        }
        return text
    }
}
