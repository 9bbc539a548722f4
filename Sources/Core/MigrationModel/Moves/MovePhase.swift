/// The phases of a move; in order, but for the last.
public enum MovePhase: UInt8, Hashable, Sendable, CaseIterable {
    /// Lanes are opened: by the source, or by a controller that relays them, which waits for this.
    case connecting = 1
    /// Rounds run while the guest runs.
    case preCopy = 2
    /// The guest is stopped.
    case switchover = 3
    /// The right to run has been given away.
    case committed = 4
    /// The guest runs on the destination; the memory that it left is compared.
    case audit = 5
    /// Before the switchover: rounds go on until the destination's bridge lets the guest in.
    case waiting = 6

    /// The word that is shown.
    public var name: String {
        switch self {
        case .connecting: "connecting"
        case .preCopy: "pre-copy"
        case .switchover: "switchover"
        case .committed: "committed"
        case .audit: "audit"
        case .waiting: "waiting"
        }
    }
}

/// How far a round in progress is.
public struct RoundProgress: Hashable, Sendable {
    /// The round in progress, from 0.
    public let round: Int
    /// Pages of it that are on their way.
    public let done: UInt64
    /// All pages of it.
    public let total: UInt64
    /// Bytes on the wire since the move began.
    public let wireBytes: UInt64

    /// States progress.
    public init(round: Int, done: UInt64, total: UInt64, wireBytes: UInt64) {
        self.round = round
        self.done = done
        self.total = total
        self.wireBytes = wireBytes
    }
}
