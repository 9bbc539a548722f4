public import LinuxSystem
public import MigrationModel
public import PageCodec
import Synchronization

/// The round in progress on the destination: lanes go from one round to the next together.
///
/// A page sent again in a later round may come on another lane; placing starts only when every lane
/// has ended the round before, so that the later content lies on top. Every wait ends when the
/// board has failed; the first failure counts.
public final class PlacementBoard: Sendable {
    private struct State: Sendable {
        var roundsPlaced: UInt32 = 0
        var lanesEnded = 0
        var digests: [ImageDigest] = []
        var failure: LivemigError?
        /// How many rounds there are in all, once the source has said so.
        var rounds = UInt32.max
        /// Whether a lane has left for good: no further round can be completed.
        var hasLaneLeft = false

        /// Notes a failure; the first one counts.
        mutating func fail(_ error: LivemigError) -> LivemigError {
            let first = failure ?? error
            failure = first
            return first
        }
    }

    /// What comes on the lanes.
    public let activity = Activity()
    private let state: Monitor<State>
    private let placed = Atomic<UInt64>(0)
    private let roundPlaced: @Sendable (UInt32) throws(LivemigError) -> Void

    /// A board whose number of lanes is still to be heard.
    ///
    /// - Parameter roundPlaced: called by the last lane of each round, before the next is placed.
    public init(roundPlaced: @escaping @Sendable (UInt32) throws(LivemigError) -> Void) {
        self.roundPlaced = roundPlaced
        state = Monitor(State())
    }

    /// Sets the number of lanes, before the first of them starts.
    public func begin(lanes: Int) {
        precondition(lanes > 0, "a move has at least one lane")
        state.withLock { $0.digests = Array(repeating: ImageDigest(), count: lanes) }
    }

    /// The round that is being placed.
    public var round: UInt32 { state.withLock { $0.roundsPlaced } }

    /// How many batches have been placed, on all lanes.
    public var batches: UInt64 { placed.load(ordering: .relaxed) }

    /// A lane has placed a batch.
    func batchPlaced() { placed.wrappingAdd(1, ordering: .relaxed) }

    /// A lane has ended a round: waits for the others.
    func laneEnded(_ lane: Int, round: UInt32, digest: ImageDigest) throws(LivemigError) {
        let isLast = try state.withLock { (state) throws(LivemigError) in
            if let failure = state.failure { throw failure }
            guard round == state.roundsPlaced else {
                throw LivemigError(.wire, "lane \(lane) ended round \(round) out of order")
            }
            state.digests[lane] = digest
            state.lanesEnded += 1
            if state.hasLaneLeft { throw state.fail(Self.laneLeft(round)) }
            return state.lanesEnded == state.digests.count
        }
        if isLast {
            try roundPlaced(round)
            state.withLock {
                $0.lanesEnded = 0
                $0.roundsPlaced += 1
            }
        }
        let result = state.wait { state -> Result<Void, LivemigError>? in
            if let failure = state.failure { return .failure(failure) }
            return state.roundsPlaced > round ? .success(()) : nil
        }
        try result.get()
    }

    /// Insists that a round may have pages: what comes after the last one would change a memory
    /// that has been compared, or that the guest uses already.
    func admit(_ round: UInt32) throws(LivemigError) {
        guard state.withLockUnnoticed({ round < $0.rounds }) else {
            throw LivemigError(.wire, "pages came after the end of the copy")
        }
    }

    /// A lane has ended between rounds, as all do at the end of a move: a failure when another has
    /// ended the round in progress, or comes to its end later, and would wait for ever.
    func laneLeft() {
        state.withLock { state in
            state.hasLaneLeft = true
            if state.lanesEnded > 0 { _ = state.fail(Self.laneLeft(state.roundsPlaced)) }
        }
    }

    private static func laneLeft(_ round: UInt32) -> LivemigError {
        LivemigError(.disconnected, "a lane ended before round \(round) was complete")
    }

    /// Waits until a number of rounds is placed; returns the digest over all pages placed.
    ///
    /// There are no more rounds than that: from now on no page is placed any more.
    /// - Throws: why the board has failed; `E-DISCONNECTED` once a lane has left that still had a
    ///   round to bring, `E-STALL` at the deadline.
    public func waitUntilPlaced(
        rounds: UInt32, deadline: MonotonicTime
    ) throws(LivemigError) -> ImageDigest {
        state.withLock { $0.rounds = rounds }
        let result = state.wait(deadline: deadline) { state -> Result<ImageDigest, LivemigError>? in
            if let failure = state.failure { return .failure(failure) }
            guard state.roundsPlaced >= rounds else {
                return state.hasLaneLeft ? .failure(Self.laneLeft(state.roundsPlaced)) : nil
            }
            return .success(state.digests.reduce(ImageDigest(), +))
        }
        guard let result else {
            throw LivemigError(.stall, "the last pages did not come in time")
        }
        return try result.get()
    }

    /// Stops everything with a reason.
    public func fail(_ error: LivemigError) {
        state.withLock { $0.failure = $0.failure ?? error }
    }

    /// Why everything stopped.
    public var failure: LivemigError? { state.withLock { $0.failure } }
}
