public import MigrationModel

/// The destination's side of the commit protocol: a pure state machine that returns what must be
/// done.
///
/// The destination never starts the guest by itself: only the token of the very attempt it is ready
/// for gives it the right. A ready destination never discards its copy on a timer, since that may
/// be the only good one.
public struct DestinationMachine: Hashable, Sendable {
    /// What can happen.
    public enum Event: Hashable, Sendable {
        /// A source wants to hand the VM over.
        case arm(Attempt)
        /// All pages are placed, the digests agree and the device state is loaded.
        case ready(Attempt, digest: Bits128)
        /// The source gave the right away; the guest shall run unless it was paused.
        case token(Attempt, digest: Bits128, resume: Bool)
        /// The guest could not be resumed, and no instruction of it has run.
        case resumeRefused
        /// The attempt is given up.
        case discard(Attempt)
    }

    /// The record.
    public private(set) var right: Right

    /// Starts from what the record says.
    public init(right: Right) { self.right = right }

    /// Takes an event in.
    /// - Returns: what must be done, in order.
    /// - Throws: when the event is not possible now; nothing has changed then.
    public mutating func handle(_ event: Event) throws(LivemigError) -> [OwnershipEffect] {
        switch event {
        case .arm(let attempt): try arm(attempt)
        case .ready(let attempt, let digest): try ready(attempt, digest)
        case .token(let attempt, let digest, let resume): try own(attempt, digest, resume)
        case .resumeRefused: try giveBack()
        case .discard(let attempt): try discard(attempt)
        }
    }

    private mutating func arm(_ attempt: Attempt) throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .none, .gone, .aborted: break
        default: throw notPossible("prepare for a move")
        }
        guard right == .none || attempt.epoch > right.epoch else {
            throw LivemigError(
                .migrationID, "attempt for epoch \(attempt.epoch) after epoch \(right.epoch)")
        }
        right = .armed(attempt)
        return [.record(right)]
    }

    private mutating func ready(
        _ attempt: Attempt, _ digest: Bits128
    ) throws(LivemigError) -> [OwnershipEffect] {
        guard case .armed(attempt) = right else { throw notPossible("become ready") }
        right = .ready(attempt, digest: digest)
        return [.record(right)]
    }

    private mutating func own(
        _ attempt: Attempt, _ digest: Bits128, _ resume: Bool
    ) throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .ready(attempt, digest):
            right = .owner(attempt.epoch, attempt.migration)
            return [.record(right)] + (resume ? [.resumeGuest] : [])
        case .owner(attempt.epoch, attempt.migration): return []
        default: throw notPossible("take the token of \(attempt)")
        }
    }

    private mutating func giveBack() throws(LivemigError) -> [OwnershipEffect] {
        guard case .owner(let epoch, let migration?) = right else {
            throw notPossible("give the right back")
        }
        right = .aborted(Attempt(migration: migration, epoch: epoch))
        return [.record(right), .destroyGuest]
    }

    private mutating func discard(_ attempt: Attempt) throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .armed(attempt), .ready(attempt, _):
            right = .aborted(attempt)
            return [.record(right), .destroyGuest]
        case .aborted(attempt): return [.destroyGuest]
        // Another attempt at the same epoch: this one never came, and never can.
        case .aborted(let last) where attempt.epoch == last.epoch: return []
        // This host may have owned the VM by an earlier attempt, and given it away since.
        case .none, .aborted, .gone:
            guard attempt.epoch > right.epoch else { throw notPossible("give up \(attempt)") }
            right = .aborted(attempt)
            return [.record(right)]
        default: throw notPossible("give up \(attempt)")
        }
    }

    private func notPossible(_ what: String) -> LivemigError {
        let code: ErrorCode = if case .owner = right { .tooLate } else { .migrationID }
        return LivemigError(
            code, "cannot \(what)", at: "record says \(right.word), epoch \(right.epoch)")
    }
}
