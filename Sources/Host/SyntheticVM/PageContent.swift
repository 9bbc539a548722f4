/// What a page of a reference guest holds in one generation: a function of seed, page and
/// generation alone, so that any copy of it can be checked.
public struct PageContent: Hashable, Sendable {
    /// How the words of a page come about.
    public enum Kind: Hashable, Sendable {
        case zero, text, random
    }

    /// The number of 64-bit words in a page.
    public static let wordCount = 512
    /// The number of parts that `change=slice` rewrites in turn.
    static let sliceCount = 8
    static let wordsPerSlice = wordCount / sliceCount

    /// How the words come about.
    public let kind: Kind
    private let pageKey: UInt64
    private let generation: UInt64
    private let change: WorkloadParameters.Change

    /// The content of a page in a generation; generation 0 is the fill at power-on.
    public init(_ parameters: WorkloadParameters, page: Int, generation: UInt64) {
        pageKey = Mixing.mix(parameters.seed &+ Mixing.mix(UInt64(page) &+ 1))
        self.generation = generation
        change = parameters.change
        kind = Self.kind(parameters, pageKey, generation)
    }

    private static func kind(
        _ parameters: WorkloadParameters, _ key: UInt64, _ generation: UInt64
    ) -> Kind {
        let every = parameters.zeroEvery
        if generation > 0, every > 0, (generation &+ key >> 32) % every == 0 { return .zero }
        switch parameters.content {
        case .zero: return .zero
        case .text: return .text
        case .random: return .random
        case .mixed:
            switch key % 10 {
            case 0: return .random
            case 1...4: return .text
            default: return generation == 0 ? .zero : .text
            }
        }
    }

    /// Whether a page that is zero at power-on is written all the same, so that both zero pages
    /// and holes occur in the same guest.
    var touchesZeros: Bool { pageKey >> 16 & 1 == 1 }

    /// The words of the page in order.
    public var words: [UInt64] {
        guard kind != .zero else { return Array(repeating: 0, count: Self.wordCount) }
        return (0..<Self.wordCount).map { index in
            let start = key(ofSlice: index / Self.wordsPerSlice)
            let step = UInt64(index % Self.wordsPerSlice + 1)
            return Self.word(start &+ step &* Mixing.increment, kind)
        }
    }

    /// Writes the page word by word, so that a reader may see it half written.
    func write(to page: UnsafeMutablePointer<UInt64>) {
        guard kind != .zero else {
            unsafe page.update(repeating: 0, count: Self.wordCount)
            return
        }
        var index = 0
        while index < Self.wordCount {
            var state = key(ofSlice: index / Self.wordsPerSlice)
            let end = index + Self.wordsPerSlice
            while index < end {
                state = state &+ Mixing.increment
                unsafe page[index] = Self.word(state, kind)
                index += 1
            }
        }
    }

    /// Whether a page holds exactly this content.
    func matches(_ page: UnsafePointer<UInt64>) -> Bool {
        var index = 0
        while index < Self.wordCount {
            var state = key(ofSlice: index / Self.wordsPerSlice)
            let end = index + Self.wordsPerSlice
            while index < end {
                state = state &+ Mixing.increment
                let expected = kind == .zero ? 0 : Self.word(state, kind)
                if unsafe page[index] != expected { return false }
                index += 1
            }
        }
        return true
    }

    /// A slice was last changed in the newest generation whose number modulo 8 is the slice's.
    private func key(ofSlice slice: Int) -> UInt64 {
        let slice = UInt64(slice)
        var newest = generation
        if change == .slice {
            newest = generation < slice ? 0 : generation - (generation - slice) % 8
        }
        return Mixing.mix(pageKey &+ Mixing.mix(newest &+ slice << 56))
    }

    /// Random words are as mixed; text is one of 64 words of eight letters.
    private static func word(_ state: UInt64, _ kind: Kind) -> UInt64 {
        let mixed = Mixing.mix(state)
        guard kind == .text else { return mixed }
        let letters = (mixed >> 58 &+ 1) &* 0x9E6D_62D0_6F6A_9A9B & 0x0F0F_0F0F_0F0F_0F0F
        return letters &+ 0x6161_6161_6161_6161
    }
}

/// The SplitMix64 generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// OOPSLA 2014): its output function is a bijection that scatters neighbouring numbers.
enum Mixing {
    static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
