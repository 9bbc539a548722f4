public import MigrationModel

/// A step of a recovery and the host that takes it.
public enum PlannedStep: Hashable, Sendable {
    /// For the host that gives the VM away.
    case source(RecoveryStep)
    /// For the host that receives it.
    case destination(RecoveryStep)
}

extension Verdict {
    /// What remains to be done, in order; a later step may only happen once the earlier ones have.
    ///
    /// Empty where nothing is left to do, and where nothing may be done without the host that does
    /// not answer. An owner is never told to give the VM up: that takes `overruling`.
    public func steps(source: HostView?, destination: HostView?) -> [PlannedStep] {
        switch self {
        case .runsOnSource, .sourceSafeAlone:
            return [.source(.settle)] + Self.leftovers(destination)
        case .sourceOwnsInterrupted:
            return [.source(.settle)] + Self.leftovers(destination)
                + Self.takeBack(source, destination)
        case .handOverInFlight:
            guard case .released(let attempt, let digest) = source?.right else { return [] }
            return [.destination(.token(attempt, digest: digest)), .source(.finish(attempt))]
        case .handOverRefused:
            guard case .released(let attempt, _) = source?.right else { return [] }
            return [.destination(.discard(attempt)), .source(.reclaim(attempt))]
        case .runsOnDestination, .committedStarting, .destinationOwnsAlone:
            return [.destination(.settle)] + Self.staleCopy(source)
        case .crashedOnDestination, .movedOn: return Self.staleCopy(source)
        case .impossible: return [.source(.freeze), .destination(.freeze)]
        case .nowhere, .sourceMustNotRun, .destinationMustNotRun: return []
        }
    }

    private static func leftovers(_ destination: HostView?) -> [PlannedStep] {
        switch destination?.right {
        case .armed(let attempt), .ready(let attempt, _): [.destination(.discard(attempt))]
        default: []
        }
    }

    /// A source that could not write its release does not know whether it is on the medium, and so
    /// lets the guest run only once the destination has refused it durably.
    private static func takeBack(
        _ source: HostView?, _ destination: HostView?
    ) -> [PlannedStep] {
        guard case .intent(let attempt) = source?.right else { return [] }
        switch destination?.right {
        case .armed(attempt), .ready(attempt, _), .aborted(attempt):
            return [.source(.reclaim(attempt))]
        default: return []
        }
    }

    private static func staleCopy(_ source: HostView?) -> [PlannedStep] {
        guard case .released(let attempt, _) = source?.right else { return [] }
        return [.source(.finish(attempt))]
    }
}

extension Verdict {
    /// Gives the VM to one of two owners: the one that an operator has overruled gives it up first.
    ///
    /// - Parameters:
    ///   - loser: the owner that is overruled.
    ///   - winner: the owner that keeps the VM.
    /// - Returns: the step of the loser; `nil` unless both own the VM, and the winner's claim is at
    ///   least as late.
    public static func overruling(_ loser: HostView, for winner: HostView) -> RecoveryStep? {
        guard loser.right.mayRun, winner.right.mayRun, winner.right.epoch >= loser.right.epoch
        else { return nil }
        let migration = winner.right.attempt?.migration ?? MigrationID(.zero)
        return .overrule(Attempt(migration: migration, epoch: winner.right.epoch))
    }
}
