public import GuestMemory
public import Handoff
public import LinuxSystem
public import MigrationModel

/// The rounds of a move while the guest runs, and the last ones while it stands still.
///
/// Each harvest is taken before the pages of its round are read, so that a page written while it is
/// read is found by the next. Runs on one thread; lanes do the sending.
public struct PreCopy: ~Copyable {
    private let board: RoundBoard
    private var tracker: DirtyTracker
    private var pending: PageBitmap
    private var nextRound: UInt32 = 0

    /// How pre-copy ended.
    public enum Outcome: Hashable, Sendable {
        /// The guest can be stopped: what is left fits the downtime.
        case converged
        /// It did not converge within the rounds or the time.
        case notConverging(LivemigError)
    }

    /// Prepares the rounds: what is populated is sent first.
    ///
    /// - Parameters:
    ///   - board: where lanes find their work.
    ///   - tracker: finds written pages.
    ///   - memory: guest RAM.
    public init(
        board: RoundBoard, tracker: consuming DirtyTracker, memory: borrowing GuestMemoryFile
    ) throws(LivemigError) {
        self.board = board
        self.tracker = tracker
        pending = PageBitmap(pageCount: memory.pageCount)
        // Protects every page; what counts as written so far is all in the populated set.
        try self.tracker.harvest(into: &pending)
        pending.removeAll()
        try memory.addPopulatedPages(to: &pending)
    }

    /// The number of rounds sent so far.
    public var rounds: UInt32 { nextRound }

    /// Sends rounds until the rule is content, in vain, or the time is over.
    ///
    /// - Parameters:
    ///   - rule: decides after each round.
    ///   - deadline: when the time is over, also within a round.
    ///   - fallback: what then; to switch over, the round is cut short, and what is left of it
    ///     goes with the rest.
    ///   - handOver: what the hand-over would cost besides the last pages, by the latest
    ///     measurement.
    ///   - report: told of each round that has ended.
    public mutating func run(
        _ rule: consuming ConvergenceRule, deadline: MonotonicTime,
        fallback: MigrationPolicy.Fallback = .abort, handOver: () -> Duration,
        report: (RoundReport) throws(LivemigError) -> Void
    ) throws(LivemigError) -> Outcome {
        while true {
            guard let (round, isWhole) = try sendRound(deadline, fallback) else {
                return .notConverging(Self.late(nextRound))
            }
            try report(round)
            rule.handOver = handOver()
            guard isWhole else { return .notConverging(Self.late(nextRound)) }
            switch rule.decide(after: round) {
            case .switchOver: return .converged
            case .notConverging:
                let downtime = rule.predictedDowntime(pages: round.dirtiedPages)
                return .notConverging(
                    rule.isHandOverTooLong
                        ? Self.tooSlow(rule.handOver) : Self.tooDirty(round, downtime: downtime))
            case .anotherRound where MonotonicTime.now >= deadline:
                return .notConverging(Self.late(nextRound))
            case .anotherRound: continue
            }
        }
    }

    /// Sends what is pending and waits until it is placed; the harvest is taken first thing after.
    ///
    /// - Returns: the round, and whether all of it was sent; `nil` when the deadline has passed and
    ///   nothing is to come after.
    private mutating func sendRound(
        _ deadline: MonotonicTime, _ fallback: MigrationPolicy.Fallback
    ) throws(LivemigError) -> (RoundReport, isWhole: Bool)? {
        let start = MonotonicTime.now
        let number = Int(nextRound)
        let dirty = UInt64(pending.count)
        try sendPending()
        let inTime = try board.waitUntilSent(deadline: deadline)
        if inTime == nil {
            guard fallback != .abort else { return nil }
            board.cutRound(leaving: &pending)
        }
        let totals: RoundBoard.Totals
        if let inTime { totals = inTime } else { totals = try board.waitUntilSent() }
        let limit = fallback == .abort ? deadline : nil
        guard try board.waitUntilPlaced(deadline: limit) else { return nil }
        let duration = start.elapsed
        try tracker.harvest(into: &pending)
        let round = RoundReport(
            number: number, dirtyPages: dirty, pages: totals.pages, wireBytes: totals.wireBytes,
            duration: duration, dirtiedPages: UInt64(pending.count))
        return (round, inTime != nil)
    }

    /// Finds what was written since the last round, so that the next one sends it.
    ///
    /// For rounds after a pause: else what the guest wrote in all that time would count as written
    /// during a short round, and look as if the lanes could not keep up.
    public mutating func catchUp() throws(LivemigError) { try tracker.harvest(into: &pending) }

    /// Starts to send everything that was written up to now; the guest stands still.
    ///
    /// - Returns: how many pages that is.
    public mutating func sendRest() throws(LivemigError) -> Int {
        try tracker.harvest(into: &pending)
        let count = pending.count
        guard count > 0 else { return 0 }
        try sendPending()
        return count
    }

    /// Waits until all that was started is on its way.
    public borrowing func waitUntilSent() throws(LivemigError) {
        guard nextRound > 0 else { return }
        _ = try board.waitUntilSent()
    }

    private mutating func sendPending() throws(LivemigError) {
        try board.start(nextRound, &pending)
        nextRound += 1
    }

    private static func late(_ rounds: UInt32) -> LivemigError {
        LivemigError(
            .timeout, "still in round \(max(1, rounds) - 1) when the time was over",
            fix: "raise --timeout or --bandwidth")
    }

    private static func tooSlow(_ handOver: Duration) -> LivemigError {
        LivemigError(
            .converge,
            "the path is slow: the device state alone would stop the guest for \(handOver.brief)",
            fix: "raise --max-downtime to that, below \(MigrationPolicy.blackoutLimit.brief), or "
                + "choose a faster path (host settings --network)")
    }

    private static func tooDirty(_ round: RoundReport, downtime: Duration) -> LivemigError {
        let dirty = Bandwidth(bytesPerSecond: UInt64(round.dirtyRate))
        let rate = Bandwidth(bytesPerSecond: UInt64(round.rate))
        return LivemigError(
            .converge,
            "the guest writes \(dirty), the lanes carry \(rate): after \(round.number + 1) rounds "
                + "a switchover would still stop it for \(downtime.brief)",
            fix: "raise --max-downtime or --bandwidth, or let --on-timeout pause stop it longer")
    }
}
