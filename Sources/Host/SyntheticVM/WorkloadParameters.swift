public import MigrationModel

/// What a reference guest does with its memory, as its definition's kernel command line says.
///
/// Keys, all optional, each at most once: `fill=SIZE` memory filled at power-on (half of RAM),
/// `ws=SIZE` the part of it that is rewritten (a quarter of the fill), `rate=RATE|0|max` how fast
/// (0), `content=mixed|text|random|zero` (mixed), `change=page|slice` whether a rewrite changes the
/// whole page or an eighth of it (page), `writers=N` threads (1), `zero=N` every N-th generation of
/// a page is all zeros, 0 for never (8), `seed=N` (1), `state=SIZE` device state (256KiB),
/// `check=0|1` whether writers check each page before they rewrite it (0), `beat=MS` milliseconds
/// from heartbeat to heartbeat (half a one, which takes some percent of a processor).
/// Faults of an incoming guest: `refuse-load=1`, `crash-at-load=1`, `slow-load=MS`,
/// `refuse-resume=1`.
public struct WorkloadParameters: Hashable, Sendable {
    /// What pages hold.
    public enum Content: UInt64, Hashable, Sendable, CaseIterable {
        /// Half of the pages zero at first, four in ten text, one in ten random.
        case mixed
        /// Words of a small vocabulary: compresses well.
        case text
        /// Does not compress.
        case random
        /// Zeros only.
        case zero

        var name: String { String(describing: self) }
    }

    /// How much of a page a rewrite changes.
    public enum Change: UInt64, Hashable, Sendable, CaseIterable {
        case page, slice

        var name: String { String(describing: self) }
    }

    /// How fast all writers together rewrite pages.
    public enum Rate: Hashable, Sendable {
        /// Not at all.
        case idle
        /// So many bytes of pages a second.
        case limited(Bandwidth)
        /// As fast as they can.
        case unlimited
    }

    /// What an incoming guest does wrong, on purpose.
    public struct Faults: Hashable, Sendable {
        /// Whether a sound device state is refused as if it were corrupt.
        public var refusesLoad = false
        /// Whether the process dies while it loads.
        public var crashesAtLoad = false
        /// Milliseconds that loading takes longer, 0–600 000.
        public var loadDelay = 0
        /// Whether the first resume fails as if a disk were locked elsewhere.
        public var refusesResume = false
    }

    /// Pages of guest RAM.
    public let pageCount: Int
    /// Pages filled, from page 1 on; page 0 is the heartbeat.
    public var fillPages: Int
    /// Pages rewritten, the first of the fill.
    public var workingSetPages: Int
    /// How fast.
    public var rate = Rate.idle
    /// With what.
    public var content = Content.mixed
    /// How much of a page changes.
    public var change = Change.page
    /// Writer threads, 1–64.
    public var writers = 1
    /// Every how many generations a page is all zeros; 0 for never.
    public var zeroEvery: UInt64 = 8
    /// What all content is derived from.
    public var seed: UInt64 = 1
    /// Bytes of device state, 8 KiB–16 MiB.
    public var stateSize = 256 << 10
    /// Whether writers check a page before they rewrite it.
    public var checks = false
    /// Nanoseconds from heartbeat to heartbeat; those of a command line are 1 ms–10 s.
    public var beatPeriod = Heartbeat.period
    /// What an incoming guest does wrong.
    public var faults = Faults()

    /// The largest device state, in bytes.
    public static let stateLimit = 16 << 20
    private static let pageSize = 4096

    /// The workload of a guest whose command line is empty.
    public init(memory: ByteCount) throws(LivemigError) {
        guard memory.bytes >= 16 * 4096, memory.bytes % 4096 == 0, memory.bytes <= 1 << 40 else {
            throw LivemigError(
                .memory, "guest RAM of \(memory) is not a multiple of 4 KiB from 64 KiB to 1 TiB")
        }
        pageCount = Int(memory.bytes) / Self.pageSize
        fillPages = pageCount / 2
        workingSetPages = fillPages / 4
    }

    /// Reads a command line.
    ///
    /// - Parameters:
    ///   - commandLine: `key=value` words.
    ///   - memory: guest RAM.
    /// - Throws: `E-RANGE` naming the word for an unknown key, a repeated key or a bad value;
    ///   `E-SIZE` for a bad quantity.
    public init(parsing commandLine: String, memory: ByteCount) throws(LivemigError) {
        try self.init(memory: memory)
        var seen: Set<Substring> = []
        for word in commandLine.split(separator: " ") {
            guard let equals = word.firstIndex(of: "=") else {
                throw Self.refusal(word, "has no value")
            }
            let key = word[..<equals]
            guard seen.insert(key).inserted else { throw Self.refusal(word, "is given twice") }
            do {
                try set(key, to: String(word[word.index(after: equals)...]))
            } catch {
                throw error.at("guest command line, \(String(word).escaped())")
            }
        }
        if seen.contains("fill"), !seen.contains("ws") { workingSetPages = fillPages / 4 }
        try validate()
    }

    private mutating func set(_ key: Substring, to value: String) throws(LivemigError) {
        switch key {
        case "fill": fillPages = try Self.pages(value)
        case "ws": workingSetPages = try Self.pages(value)
        case "rate": rate = try Rate(parsing: value)
        case "content": content = try Self.choice(value, Content.allCases, \.name)
        case "change": change = try Self.choice(value, Change.allCases, \.name)
        case "writers": writers = try Self.number(value, 1...64)
        case "zero": zeroEvery = UInt64(try Self.number(value, 0...1_000_000))
        case "seed": seed = UInt64(try Self.number(value, 0...Int.max))
        case "state": stateSize = try Self.pages(value) * Self.pageSize
        case "check": checks = try Self.number(value, 0...1) == 1
        case "beat": beatPeriod = UInt64(try Self.number(value, 1...10_000)) * 1_000_000
        case "refuse-load": faults.refusesLoad = try Self.number(value, 0...1) == 1
        case "crash-at-load": faults.crashesAtLoad = try Self.number(value, 0...1) == 1
        case "slow-load": faults.loadDelay = try Self.number(value, 0...600_000)
        case "refuse-resume": faults.refusesResume = try Self.number(value, 0...1) == 1
        default: throw LivemigError(.range, "unknown key \(String(key).escaped())")
        }
    }

    private func validate() throws(LivemigError) {
        let place = "guest command line"
        guard fillPages < pageCount else {
            throw LivemigError(
                .range, "fill is \(fillPages) pages of \(pageCount)", at: place,
                fix: "leave one page for the heartbeat")
        }
        guard workingSetPages <= fillPages else {
            throw LivemigError(
                .range, "ws is \(workingSetPages) pages, beyond the fill of \(fillPages)", at: place
            )
        }
        guard workingSetPages == 0 || workingSetPages >= writers else {
            throw LivemigError(
                .range, "ws of \(workingSetPages) pages for \(writers) writers", at: place)
        }
        guard (8 << 10...Self.stateLimit).contains(stateSize) else {
            throw LivemigError(
                .range, "state of \(stateSize) bytes is not within 8 KiB to 16 MiB", at: place)
        }
    }

    private static func refusal(_ word: Substring, _ what: String) -> LivemigError {
        LivemigError(.range, "\(String(word).escaped()) \(what)", at: "guest command line")
    }

    private static func pages(_ text: String) throws(LivemigError) -> Int {
        let size = text == "0" ? ByteCount(0) : try ByteCount(parsing: text)
        guard size.bytes % 4096 == 0, size.bytes <= 1 << 40 else {
            throw LivemigError(.range, "not a multiple of 4 KiB up to 1 TiB")
        }
        return Int(size.bytes) / pageSize
    }

    private static func number(
        _ text: String, _ range: ClosedRange<Int>
    ) throws(LivemigError) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw LivemigError(
                .range, "not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func choice<Value>(
        _ text: String, _ all: [Value], _ name: (Value) -> String
    ) throws(LivemigError) -> Value {
        guard let value = all.first(where: { name($0) == text }) else {
            throw LivemigError(.range, "not one of \(all.map(name).joined(separator: ", "))")
        }
        return value
    }
}

extension WorkloadParameters.Rate {
    /// Reads `0`, `max` or a bandwidth such as `50MiB/s`.
    /// - Throws: `E-SIZE` for anything else.
    public init(parsing text: String) throws(LivemigError) {
        switch text {
        case "0": self = .idle
        case "max": self = .unlimited
        default: self = .limited(try Bandwidth(parsing: text))
        }
    }

    /// Bytes a second; 0 when idle, the largest number without a limit.
    public var bytesPerSecond: UInt64 {
        switch self {
        case .idle: 0
        case .limited(let bandwidth): bandwidth.bytesPerSecond
        case .unlimited: .max
        }
    }

    /// The rate of so many bytes a second, as `bytesPerSecond` states it.
    public init(bytesPerSecond: UInt64) {
        switch bytesPerSecond {
        case 0: self = .idle
        case .max: self = .unlimited
        default: self = .limited(Bandwidth(bytesPerSecond: bytesPerSecond))
        }
    }
}
