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
    /// not answer.
    public func steps(source: HostView?, destination: HostView?) -> [PlannedStep] {
        switch self {
        case .runsOnSource, .sourceSafeAlone:
            return Self.overruled(destination, by: source).map { .destination($0) }
                + [.source(.settle)] + Self.leftovers(destination)
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
            return Self.overruled(source, by: destination).map { .source($0) }
                + [.destination(.settle)] + Self.staleCopy(source)
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

    /// A host that was fenced, and still says that it owns the VM, gives it up.
    private static func overruled(_ host: HostView?, by owner: HostView?) -> [RecoveryStep] {
        guard let host, let owner, host.right.mayRun, owner.right.mayRun else { return [] }
        let migration = owner.right.attempt?.migration ?? MigrationID(.zero)
        return [.finish(Attempt(migration: migration, epoch: owner.right.epoch))]
    }

    private static func staleCopy(_ source: HostView?) -> [PlannedStep] {
        guard case .released(let attempt, _) = source?.right else { return [] }
        return [.source(.finish(attempt))]
    }
}
