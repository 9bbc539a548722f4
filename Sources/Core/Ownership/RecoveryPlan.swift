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
        case .runsOnSource, .sourceOwnsInterrupted, .sourceSafeAlone:
            return [.source(.settle)] + Self.leftovers(destination)
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

    private static func staleCopy(_ source: HostView?) -> [PlannedStep] {
        guard case .released(let attempt, _) = source?.right else { return [] }
        return [.source(.finish(attempt))]
    }
}
