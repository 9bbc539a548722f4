import LinuxSystem
import MigrationEngine
import MigrationModel

/// Whether a move may still be cancelled, shared by the thread that listens to the controller and
/// the one that moves.
final class MoveControl: Sendable {
    private struct State {
        var isCommitted = false
        var isOver = false
        var reason: LivemigError?
        var board: RoundBoard?
    }

    private let state = Monitor(State())

    /// Where a cancellation is to be felt at once.
    func attach(_ board: RoundBoard) {
        let reason = state.withLock { state in
            state.board = board
            return state.reason
        }
        if let reason { board.fail(reason) }
    }

    /// Gives up before the commit; too late, it has no effect.
    /// - Returns: whether it was in time.
    @discardableResult
    func cancel(_ reason: LivemigError) -> Bool {
        let (isInTime, board) = state.withLock { state -> (Bool, RoundBoard?) in
            guard !state.isCommitted else { return (false, nil) }
            state.reason = state.reason ?? reason
            return (true, state.board)
        }
        board?.fail(reason)
        return isInTime
    }

    /// Whether nobody has cancelled.
    var isWanted: Bool { state.withLockUnnoticed { $0.reason == nil } }

    /// Insists that nobody has cancelled.
    func check() throws(LivemigError) {
        if let reason = state.withLock({ $0.reason }) { throw reason }
    }

    /// From here on nobody can cancel.
    /// - Throws: the reason when somebody has.
    func commit() throws(LivemigError) {
        try state.withLock { (state) throws(LivemigError) in
            if let reason = state.reason { throw reason }
            state.isCommitted = true
        }
    }

    /// The move has ended, one way or the other.
    func end() { state.withLock { $0.isOver = true } }

    /// Waits a while, or until the move has ended; `true` then.
    func waitForEnd(_ duration: Duration) -> Bool {
        state.wait(deadline: .now + duration) { $0.isOver ? true : nil } ?? false
    }
}
