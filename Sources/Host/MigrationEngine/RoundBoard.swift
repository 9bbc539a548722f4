public import GuestMemory
public import LinuxSystem
public import MigrationModel
public import PageCodec

/// The round in progress on the source: what is left to send, and what became of it.
///
/// The round loop puts a round up, lanes claim pages from it until none are left. Every wait ends
/// when the board has failed; the first failure counts.
public final class RoundBoard: Sendable {
    /// What a lane is to do next.
    public enum Claim: Hashable, Sendable {
        /// Send the claimed pages in this round.
        case pages(UInt32)
        /// No page of this round is left: end it on the lane.
        case endOfRound(UInt32)
        /// There will be no further round.
        case stop
    }

    /// What a round has come to.
    public struct Totals: Hashable, Sendable {
        /// What became of the pages.
        public var pages = PageCounts()
        /// Bytes on the wire.
        public var wireBytes: UInt64 = 0
    }

    /// A look at the round in progress.
    public struct Progress: Hashable, Sendable {
        /// The round; `nil` before the first.
        public var round: UInt32?
        /// Pages that lanes have claimed.
        public var claimed: UInt64
        /// All pages of the round.
        public var total: UInt64
        /// Bytes on the wire in all rounds.
        public var wireBytes: UInt64
    }

    private struct State: Sendable {
        var round: UInt32?
        var pages: PageBitmap
        var position = 0
        var claimed: UInt64 = 0
        var totals = Totals()
        var overall = Totals()
        /// How many lanes there are to be.
        var lanes: Int
        var lanesOpen = 0
        var lanesDone = 0
        var roundsPlaced: UInt32 = 0
        /// How many batches the destination has placed, as far as it has said so.
        var batchesPlaced: UInt64 = 0
        var digests: [ImageDigest]
        var hasEnded = false
        var failure: LivemigError?
    }

    private let state: Monitor<State>
    /// What moves on the lanes.
    public let activity = Activity()

    /// A board for a guest of some pages and a number of lanes.
    public init(pageCount: Int, lanes: Int) {
        precondition(lanes > 0, "a move has at least one lane")
        state = Monitor(
            State(
                pages: PageBitmap(pageCount: pageCount), lanes: lanes,
                digests: Array(repeating: ImageDigest(), count: lanes)))
    }

    // MARK: The round loop

    /// Waits until every lane is connected, so that rounds measure the lanes and nothing else.
    /// - Throws: `E-TIMEOUT` when the deadline passes first.
    public func waitUntilOpen(deadline: MonotonicTime? = nil) throws(LivemigError) {
        let result = wait(deadline) { state -> Result<Void, LivemigError>? in
            if let failure = state.failure { return .failure(failure) }
            return state.lanesOpen == state.lanes ? .success(()) : nil
        }
        guard let result else {
            throw LivemigError(
                .timeout, "the lanes were not all open when the time was over",
                fix: "raise --timeout, or check the path between the hosts")
        }
        try result.get()
    }

    private func wait<Value>(
        _ deadline: MonotonicTime?, until ready: (inout State) -> Value?
    ) -> Value? {
        guard let deadline else { return state.wait(until: ready) }
        return state.wait(deadline: deadline, until: ready)
    }

    /// Puts a round up, and leaves an empty set behind.
    public func start(_ round: UInt32, _ pages: inout PageBitmap) throws(LivemigError) {
        try state.withLock { (state) throws(LivemigError) in
            if let failure = state.failure { throw failure }
            precondition(state.round.map { round == $0 + 1 } ?? (round == 0), "rounds in order")
            swap(&state.pages, &pages)
            pages.removeAll()
            state.round = round
            state.position = 0
            state.claimed = 0
            state.totals = Totals()
            state.lanesDone = 0
        }
    }

    /// Waits until every lane has sent its part of the round.
    public func waitUntilSent() throws(LivemigError) -> Totals {
        // Without a deadline it never passes.
        try waitUntilSent(deadline: nil) ?? Totals()
    }

    /// Waits until every lane has sent its part of the round; `nil` when a deadline passes first.
    public func waitUntilSent(deadline: MonotonicTime?) throws(LivemigError) -> Totals? {
        let result = wait(deadline) { state -> Result<Totals, LivemigError>? in
            if let failure = state.failure { return .failure(failure) }
            return state.lanesDone == state.lanes ? .success(state.totals) : nil
        }
        return try result?.get()
    }

    /// Ends the round with what lanes have claimed of it.
    /// - Parameter pages: gets the pages that none has claimed.
    public func cutRound(leaving pages: inout PageBitmap) {
        state.withLock { state in
            var rest: [UInt64] = []
            while true {
                rest.removeAll(keepingCapacity: true)
                state.pages.appendMembers(
                    from: &state.position, limit: BatchLimits.pages, to: &rest)
                guard !rest.isEmpty else { return }
                for page in rest { pages.insert(Int(page)..<Int(page) + 1) }
            }
        }
    }

    /// Waits until the destination has placed every page of the round.
    ///
    /// What has been sent may be lost on a lane that fell silent without an end, while the link
    /// still speaks: the destination says how much has come.
    ///
    /// - Parameters:
    ///   - stall: how long nothing may come of what is on its way.
    ///   - deadline: when to wait no longer.
    /// - Returns: whether it is placed, before the deadline.
    /// - Throws: `E-STALL` when nothing comes.
    @discardableResult
    public func waitUntilPlaced(
        stall: Duration = stallLimit, deadline: MonotonicTime? = nil
    ) throws(LivemigError) -> Bool {
        try activity.drain { () throws(LivemigError) in try awaitPlacement(stall, deadline) }
    }

    private func awaitPlacement(
        _ stall: Duration, _ deadline: MonotonicTime?
    ) throws(LivemigError) -> Bool {
        var seen: UInt64?
        while true {
            let last = seen
            let silence = MonotonicTime.now + stall
            let news = state.wait(deadline: deadline.map { min($0, silence) } ?? silence) {
                state -> Result<UInt64?, LivemigError>? in
                if let failure = state.failure { return .failure(failure) }
                if state.round.map({ state.roundsPlaced > $0 }) ?? true { return .success(nil) }
                return state.batchesPlaced == last ? nil : .success(state.batchesPlaced)
            }
            guard let news else {
                if let deadline, deadline < silence { return false }
                throw LivemigError(
                    .stall, "no more pages arrive, though all of the round are sent",
                    at: "silent for \(stall.brief)")
            }
            guard let batches = try news.get() else { return true }
            seen = batches
        }
    }

    /// A batch takes less on every line that is worth moving over: 9 KB/s are enough.
    public static let stallLimit: Duration = .seconds(30)

    /// Ends the work of the lanes.
    public func end() { state.withLock { $0.hasEnded = true } }

    /// Everything sent in all rounds.
    public var overall: Totals { state.withLockUnnoticed { $0.overall } }

    /// The digest over the hashes of all pages sent, once the round in progress has been sent.
    public var digest: ImageDigest {
        state.withLockUnnoticed { $0.digests.reduce(ImageDigest(), +) }
    }

    /// How far the round in progress is.
    public var progress: Progress {
        state.withLockUnnoticed {
            Progress(
                round: $0.round, claimed: $0.claimed,
                total: UInt64($0.pages.count),
                wireBytes: $0.overall.wireBytes)
        }
    }

    // MARK: Anyone

    /// Stops everything with a reason.
    public func fail(_ error: LivemigError) {
        state.withLock { $0.failure = $0.failure ?? error }
    }

    /// Why everything stopped.
    public var failure: LivemigError? { state.withLockUnnoticed { $0.failure } }

    /// The destination says how many batches it has placed so far.
    public func arrived(_ batches: UInt64) {
        guard state.withLockUnnoticed({ $0.batchesPlaced != batches }) else { return }
        state.withLock { $0.batchesPlaced = max($0.batchesPlaced, batches) }
    }

    /// The destination says that it has placed a round.
    public func placed(_ round: UInt32) throws(LivemigError) {
        try state.withLock { (state) throws(LivemigError) in
            guard round == state.roundsPlaced, let current = state.round, round <= current else {
                throw LivemigError(.wire, "round \(round) reported as placed out of order")
            }
            state.roundsPlaced += 1
        }
    }

    // MARK: Lanes

    /// Fewer lanes than planned come, numbered from 0; before any round is started.
    public func reduce(lanes: Int) {
        precondition(lanes > 0, "a move has at least one lane")
        state.withLock { $0.lanes = min($0.lanes, lanes) }
    }

    /// A lane is connected.
    public func laneOpened() { state.withLock { $0.lanesOpen += 1 } }

    /// Waits for something to send.
    ///
    /// - Parameters:
    ///   - ended: the last round that this lane has ended.
    ///   - pages: filled with at most `BatchLimits.pages` page numbers.
    public func claim(
        after ended: UInt32?, into pages: inout [UInt64]
    ) throws(LivemigError) -> Claim {
        pages.removeAll(keepingCapacity: true)
        // Nobody waits for a claim, and waking the round loop with each costs 5 % of a lane.
        let claim =
            state.withLockUnnoticed { Self.next(&$0, after: ended, into: &pages) }
            ?? state.wait { Self.next(&$0, after: ended, into: &pages) }
        return try claim.get()
    }

    private static func next(
        _ state: inout State, after ended: UInt32?, into pages: inout [UInt64]
    ) -> Result<Claim, LivemigError>? {
        if let failure = state.failure { return .failure(failure) }
        if let round = state.round, ended.map({ $0 < round }) ?? true {
            state.pages.appendMembers(from: &state.position, limit: BatchLimits.pages, to: &pages)
            state.claimed += UInt64(pages.count)
            return .success(pages.isEmpty ? .endOfRound(round) : .pages(round))
        }
        return state.hasEnded ? .success(.stop) : nil
    }

    /// Waits until a lane may go on, or the board has failed.
    public func rest(until time: MonotonicTime) throws(LivemigError) {
        guard time > .now else { return }
        if let failure = state.wait(deadline: time, until: { $0.failure }) { throw failure }
    }

    /// Notes what a lane has sent.
    public func add(_ batch: EncodedBatch, wireBytes: UInt64) {
        state.withLockUnnoticed { state in
            var counts = PageCounts()
            counts.sent = UInt64(batch.data)
            counts.zero = UInt64(batch.zero)
            counts.unchanged = UInt64(batch.unchanged)
            state.totals.pages = state.totals.pages + counts
            state.overall.pages = state.overall.pages + counts
            state.totals.wireBytes += wireBytes
            state.overall.wireBytes += wireBytes
        }
    }

    /// A lane has ended the round in progress.
    public func laneEnded(_ lane: Int, digest: ImageDigest, wireBytes: UInt64) {
        state.withLock { state in
            state.digests[lane] = digest
            state.totals.wireBytes += wireBytes
            state.overall.wireBytes += wireBytes
            state.lanesDone += 1
        }
    }
}
