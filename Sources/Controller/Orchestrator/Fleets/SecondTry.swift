import Handoff
import MigrationModel
import Planner

/// Which moves of a batch are made once more after a failure.
///
/// A loaded host or a slow path makes a move stall that goes well a moment later, and whoever drains a
/// host tends to drain a loaded one.
enum SecondTry {
    /// The time between a failure and the second try: both hosts give up and clean up meanwhile.
    static let pause: Duration = .seconds(5)

    /// Whether a failed move is worth a second try.
    ///
    /// Only silence and broken connections are, and only where a host has said that the guest runs
    /// where it ran before. What a host refused, the operator cancelled or nobody knows is not tried
    /// again.
    ///
    /// - Parameters:
    ///   - outcome: the end of the move.
    ///   - move: the move as it was asked for.
    static func isDue(after outcome: MoveOutcome, of move: MoveQueue.Move) -> Bool {
        guard case .failed(let error) = outcome.ending, isPassing(error.code),
            let guest = outcome.guest, guest.state == .running, guest.host == move.from.text
        else { return false }
        let sides = [outcome.sides.source, outcome.sides.destination].compactMap { $0 }
        return sides.allSatisfy { isPassing($0.code) || isAfterwards($0.code) }
    }

    /// Whether an error tells of silence or of a connection that broke.
    private static func isPassing(_ code: ErrorCode) -> Bool {
        switch code {
        case .stall, .blackout, .disconnected, .connectDropped: true
        default: false
        }
    }

    /// Whether an error tells only that the other side had given up before.
    private static func isAfterwards(_ code: ErrorCode) -> Bool {
        code == .cancelled || code == .migrationID
    }
}
