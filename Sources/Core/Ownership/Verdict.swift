public import MigrationModel

/// What one host knows of a VM.
public struct HostView: Hashable, Sendable {
    /// The record.
    public let right: Right
    /// What the guest does there.
    public let guest: GuestLocation.State

    /// States a view.
    public init(right: Right, guest: GuestLocation.State) {
        self.right = right
        self.guest = guest
    }

    /// Whether a process holds the guest, also one whose state cannot be told.
    var isAlive: Bool { !guest.isOff }
}

/// Who may run a VM and what remains to be done, from the two records alone.
public enum Verdict: Hashable, Sendable {
    /// No host has the VM.
    case nowhere
    /// The source owns it; nothing is under way.
    case runsOnSource
    /// The source owns it; a move was interrupted and is to be aborted.
    case sourceOwnsInterrupted
    /// The right is on its way: the token is to be sent again.
    case handOverInFlight
    /// The destination cannot take it any more: its refusal is to be obtained, the source resumes.
    case handOverRefused
    /// The destination owns it and runs it; the source is to be cleaned.
    case runsOnDestination
    /// The destination owns it and has yet to let it run.
    case committedStarting
    /// The destination owned it and its hypervisor died; the source's copy is stale.
    case crashedOnDestination
    /// The destination owned it and has given it away since; the source's copy is stale.
    case movedOn
    /// Only the source answers, and it may run the VM.
    case sourceSafeAlone
    /// The source has given the right away, and nobody says where it is now: do not run.
    case sourceMustNotRun
    /// Only the destination answers, and it has no right yet: do not run.
    case destinationMustNotRun
    /// Only the destination answers, and it owns the VM.
    case destinationOwnsAlone
    /// Both own the VM at the same epoch, or the records contradict each other: freeze both.
    case impossible

    /// Decides, for any pair of views; `nil` is a host that does not answer.
    public static func decide(source: HostView?, destination: HostView?) -> Verdict {
        switch (source, destination) {
        case (nil, nil): .nowhere
        case (let source?, nil): alone(source: source)
        case (nil, let destination?): alone(destination: destination)
        case (let source?, let destination?): both(source, destination)
        }
    }

    private static func alone(source: HostView) -> Verdict {
        switch source.right {
        case .owner, .intent: .sourceSafeAlone
        case .released, .gone: .sourceMustNotRun
        case .armed, .ready: .destinationMustNotRun
        case .none, .aborted: .nowhere
        }
    }

    private static func alone(destination: HostView) -> Verdict {
        switch destination.right {
        case .owner, .intent: .destinationOwnsAlone
        case .armed, .ready: .destinationMustNotRun
        case .released, .gone: .sourceMustNotRun
        case .none, .aborted: .nowhere
        }
    }

    private static func both(_ source: HostView, _ destination: HostView) -> Verdict {
        if source.right.mayRun, destination.right.mayRun { return contested(source, destination) }
        switch source.right {
        case .owner: return .runsOnSource
        case .intent: return .sourceOwnsInterrupted
        case .released(let attempt, _): return released(attempt, destination)
        case .gone: return gone(destination)
        case .none, .aborted, .armed, .ready:
            return destination.right.mayRun ? .runsOnDestination : .nowhere
        }
    }

    /// Both own the VM: one has come back with an old record, or was fenced, or lies.
    ///
    /// Attempts and operators only raise epochs, so the later claim counts. Equal ones contradict
    /// each other.
    private static func contested(_ source: HostView, _ destination: HostView) -> Verdict {
        if destination.right.epoch > source.right.epoch { return .runsOnDestination }
        return source.right.epoch > destination.right.epoch ? .runsOnSource : .impossible
    }

    private static func released(_ attempt: Attempt, _ destination: HostView) -> Verdict {
        switch destination.right {
        case .owner(attempt.epoch, attempt.migration):
            switch destination.guest {
            // A guest that was saved there, or stopped by an error, has run there.
            case .running, .saved, .ioError, .failed: return .runsOnDestination
            case .paused, .inTransfer, .unknown: return .committedStarting
            case .stopped: return .crashedOnDestination
            }
        case .owner, .intent:
            if destination.right.epoch > attempt.epoch { return .runsOnDestination }
            // An old record says nothing of a hand-over that came after it.
            return attempt.epoch > destination.right.epoch ? .sourceMustNotRun : .impossible
        // Only an owner's attempts have later epochs, so the destination was it, or knew it.
        case let right where right.epoch > attempt.epoch: return .movedOn
        case .ready(attempt, _) where destination.isAlive: return .handOverInFlight
        default: return .handOverRefused
        }
    }

    private static func gone(_ destination: HostView) -> Verdict {
        guard destination.right.mayRun else { return .nowhere }
        return destination.guest == .stopped ? .crashedOnDestination : .runsOnDestination
    }
}
