public import MigrationModel

/// What a guardian has to do, in order; a later effect may only happen once the earlier ones have.
public enum OwnershipEffect: Hashable, Sendable {
    /// Write the record and have it on the medium before anything that follows.
    case record(Right)
    /// Let the blackout deadline run, from before the guest is stopped.
    case armDeadline
    /// The deadline no longer counts.
    case disarmDeadline
    /// Stop the guest.
    case stopGuest
    /// Let the guest run and make sure that it does.
    case resumeGuest
    /// End the hypervisor and free the guest's memory.
    case destroyGuest
}

/// The source's side of the commit protocol: a pure state machine that returns what must be done.
///
/// Rules, each found necessary by model checking (SWITCHOVER, "Steps"): only an
/// owner resumes the guest; after `released` nothing but the destination's durable refusal of that
/// very attempt gives the right back, never a time-out or an error; an abort writes `owner` first
/// and resumes the guest then.
public struct SourceMachine: Hashable, Sendable {
    /// What the guest does, as far as this protocol is concerned.
    public enum Guest: Hashable, Sendable {
        /// It runs.
        case running
        /// It was stopped for the hand-over.
        case stopped
        /// It was paused before the move began, and stays so.
        case paused
    }

    /// What can happen.
    public enum Event: Hashable, Sendable {
        /// A worker wants to move the VM.
        case begin(Attempt)
        /// The worker wants the guest stopped.
        case stop
        /// The destination is ready; `own` is the digest of what was sent.
        case release(Attempt, ready: Bits128, own: Bits128)
        /// The destination owns the VM.
        case acknowledged(Attempt)
        /// An operator has decided that another owner keeps the VM, at the epoch of the attempt.
        case overruled(Attempt)
        /// The destination has given up durably.
        case refused(Attempt)
        /// The worker has gone, the deadline has passed, or somebody cancelled.
        case abort
    }

    /// The record.
    public private(set) var right: Right
    /// The guest.
    public private(set) var guest: Guest

    /// Starts from what the record and the hypervisor say.
    public init(right: Right, guest: Guest) {
        self.right = right
        self.guest = guest
    }

    /// Takes an event in.
    /// - Returns: what must be done, in order.
    /// - Throws: when the event is not possible now; nothing has changed then.
    public mutating func handle(_ event: Event) throws(LivemigError) -> [OwnershipEffect] {
        switch event {
        case .begin(let attempt): try begin(attempt)
        case .stop: try stop()
        case .release(let attempt, let ready, let own): try release(attempt, ready, own)
        case .acknowledged(let attempt): try finish(attempt)
        case .overruled(let attempt): try yield(to: attempt)
        case .refused(let attempt): try reclaim(attempt)
        case .abort: try abort()
        }
    }

    private mutating func begin(_ attempt: Attempt) throws(LivemigError) -> [OwnershipEffect] {
        guard case .owner(let epoch, _) = right else { throw notPossible("begin a move") }
        // An epoch may have been used up by others: it need not be the next one.
        guard attempt.epoch > epoch else {
            throw LivemigError(
                .migrationID, "attempt for epoch \(attempt.epoch), the VM is at epoch \(epoch)")
        }
        right = .intent(attempt)
        return [.record(right)]
    }

    private mutating func stop() throws(LivemigError) -> [OwnershipEffect] {
        guard case .intent = right else { throw notPossible("stop the guest for a hand-over") }
        switch guest {
        case .running:
            guest = .stopped
            return [.armDeadline, .stopGuest]
        case .paused: return [.armDeadline]
        case .stopped: throw notPossible("stop the guest twice")
        }
    }

    private mutating func release(
        _ attempt: Attempt, _ ready: Bits128, _ own: Bits128
    ) throws(LivemigError) -> [OwnershipEffect] {
        guard case .intent(attempt) = right, guest != .running else {
            throw notPossible("release \(attempt)")
        }
        guard ready == own else {
            throw LivemigError(.verify, "the destination's memory differs from what was sent")
        }
        right = .released(attempt, digest: own)
        return [.record(right), .disarmDeadline]
    }

    private mutating func finish(_ attempt: Attempt) throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .released(attempt, _):
            right = .gone(attempt)
            return [.record(right), .destroyGuest]
        case .gone(attempt): return [.destroyGuest]
        default: throw notPossible("finish \(attempt)")
        }
    }

    /// Gives the VM up to an owner whose claim is at least as late.
    private mutating func yield(to attempt: Attempt) throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .gone(attempt): return [.destroyGuest]
        case .owner, .intent:
            guard attempt.epoch >= right.epoch else { throw notPossible("give way to \(attempt)") }
            right = .gone(attempt)
            return [.disarmDeadline, .record(right), .destroyGuest]
        default: throw notPossible("give way to \(attempt)")
        }
    }

    private mutating func reclaim(_ attempt: Attempt) throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .released(attempt, _): return takeBack(attempt)
        case .owner(attempt.epoch, nil): return []
        default: throw notPossible("take back \(attempt)")
        }
    }

    private mutating func abort() throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .intent(let attempt): return [.disarmDeadline] + takeBack(attempt)
        case .owner: return []
        default: throw notPossible("abort")
        }
    }

    private mutating func takeBack(_ attempt: Attempt) -> [OwnershipEffect] {
        right = .owner(attempt.epoch, nil)
        guard guest == .stopped else { return [.record(right)] }
        guest = .running
        return [.record(right), .resumeGuest]
    }

    private func notPossible(_ what: String) -> LivemigError {
        let code: ErrorCode =
            switch right {
            case .released: .inTransfer
            case .gone: .tooLate
            default: .busy
            }
        return LivemigError(
            code, "cannot \(what)", at: "record says \(right.word), epoch \(right.epoch)")
    }
}
