import MigrationModel

/// A guess at the time left, as a range.
struct TimeLeft: Hashable, Sendable {
    /// In seconds, not below zero.
    var soon: Double
    /// In seconds; `nil` where nobody can tell.
    var late: Double?

    /// A range; what is not a number is nothing.
    init(_ soon: Double, _ late: Double?) {
        let first = soon.isFinite ? max(0, soon) : 0
        self.soon = first
        self.late = late.flatMap { $0.isFinite ? max(first, $0) : nil }
    }

    /// Such as `2–3 s`, `40 s–3 min` or `more than 5 min`.
    var words: String {
        guard let late else { return "more than \(Self.text(soon, .down, inMinutes: soon >= 120))" }
        let inMinutes = late >= 120
        let last = Self.text(late, .up, inMinutes: inMinutes)
        let isShort = inMinutes && soon < 120
        let first = Self.text(soon, .down, inMinutes: inMinutes && !isShort)
        if isShort { return "\(first)–\(last)" }
        let number = first.prefix { $0 != " " }
        let isNarrow = !inMinutes && late.rounded(.up) <= soon.rounded(.down) + 1
        return isNarrow || first == last ? last : "\(number)–\(last)"
    }

    private static func text(
        _ seconds: Double, _ rule: FloatingPointRoundingRule, inMinutes: Bool
    ) -> String {
        let value = min(inMinutes ? seconds / 60 : seconds, 1e9).rounded(rule)
        return "\(Int(value)) \(inMinutes ? "min" : "s")"
    }
}

/// What is to be expected of a move.
enum MoveForecast: Hashable, Sendable {
    /// Nothing that could be told.
    case unknown
    /// The round will end; how fast the guest writes is not known yet.
    case round(TimeLeft)
    /// The last round will end.
    case move(TimeLeft)
    /// The guest writes as fast as its pages are sent.
    case never

    /// The slowest and the fastest of late, in pages a second.
    typealias Rates = (slow: Double, fast: Double)

    /// Works out the time left from what has happened.
    ///
    /// At best nothing is left to do after the round. At worst the guest goes on writing: what it
    /// writes during a round is the next one, so that rounds shrink by the ratio of both rates, and
    /// all together last as long as the first divided by one less that ratio.
    /// - Parameters:
    ///   - pages: pages left of the round.
    ///   - rates: how fast pages went of late; `nil` while that is not known.
    ///   - written: pages that the guest wrote a second in the round before; `nil` in the first.
    ///   - isOutpaced: whether the round before left more than it sent.
    init(pages: UInt64, rates: Rates?, written: Double?, isOutpaced: Bool) {
        guard !isOutpaced else {
            self = .never
            return
        }
        guard let rates, rates.slow > 0 else {
            self = .unknown
            return
        }
        let (best, worst) = (Double(pages) / rates.fast, Double(pages) / rates.slow)
        guard let written else {
            self = .round(TimeLeft(best, worst))
            return
        }
        let ratio = written / rates.slow
        self = .move(TimeLeft(best, ratio < 1 ? worst / (1 - ratio) : nil))
    }

    /// Such as `2–3 s left`; empty where nothing can be told.
    var words: String {
        switch self {
        case .unknown: ""
        case .round(let left): "\(left.words) left of this round"
        case .move(let left): left.late == nil && left.soon < 1 ? "" : "\(left.words) left"
        case .never: "will not converge at this rate"
        }
    }

    /// How the words stand out.
    var emphasis: TextStyle.Emphasis { self == .never ? .alarm : .none }
}

/// What is to be expected of several moves.
enum BatchForecast {
    /// A move under way.
    struct Moving {
        /// Since its beginning, in seconds.
        var elapsed: Double
        /// What is to be expected of it.
        var forecast: MoveForecast
    }

    /// The time left, from how long moves took.
    ///
    /// At best each of the others takes as long as the fastest one did, at worst as long as the
    /// slowest; as many go at a time as do now. Of a single one nobody knows how far others are from
    /// it: half and double its time are taken.
    /// - Parameters:
    ///   - durations: of the moves that were made, in seconds.
    ///   - moving: the moves under way.
    ///   - waiting: how many have not begun.
    /// - Returns: `nil` while none was made, or where one under way will not converge.
    static func left(
        durations: [Double], moving: [Moving], waiting: Int
    ) -> TimeLeft? {
        guard var fast = durations.min(), var slow = durations.max(), !moving.isEmpty else {
            return nil
        }
        if durations.count == 1 { (fast, slow) = (fast / 2, slow * 2) }
        var (best, worst): ([Double], [Double]) = ([], [])
        for move in moving {
            switch move.forecast {
            case .never: return nil
            case .move(let left):
                best.append(left.soon)
                worst.append(left.late ?? max(left.soon, slow))
            case .unknown, .round:
                best.append(max(0, fast - move.elapsed))
                worst.append(max(0, slow - move.elapsed))
            }
        }
        let slowest = moving.reduce(slow) { max($0, $1.elapsed) }
        return TimeLeft(end(of: best, waiting, each: fast), end(of: worst, waiting, each: slowest))
    }

    /// When the last is over, where each of those that wait takes the place that is free first.
    private static func end(of places: [Double], _ waiting: Int, each: Double) -> Double {
        var places = places.sorted()
        let (rounds, rest) = waiting.quotientAndRemainder(dividingBy: places.count)
        for index in places.indices {
            places[index] += Double(rounds + (index < rest ? 1 : 0)) * each
        }
        return places.max() ?? 0
    }
}
