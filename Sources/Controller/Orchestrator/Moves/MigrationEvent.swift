public import Handoff
public import MigrationModel

/// What happens during a move, for whoever shows it.
public enum MigrationEvent: Sendable {
    /// Every check has passed.
    case planned(MovePlan)
    /// The source measures the guest, which takes a few seconds.
    case measuring
    /// What the move will be like.
    case predicted(Forecast)
    /// The destination is ready for an attempt.
    case prepared(Attempt)
    /// The source has begun a phase.
    case phase(MovePhase)
    /// The source has ended a round.
    case round(RoundReport)
    /// How far the source is in a round.
    case progress(RoundProgress)
    /// Something that the operator did or should know, as a sentence.
    case note(String)
    /// Something that a host has found, and that does not change the move.
    case warning(Finding)
}

extension MigrationEvent {
    /// What the operator is to see of the hosts' work.
    init(_ sight: ControllerMove.Sight) {
        switch sight {
        case .phase(let phase): self = .phase(phase)
        case .round(let round): self = .round(round)
        case .progress(let progress): self = .progress(progress)
        case .note(let text): self = .note(text)
        }
    }
}

/// How a move ended.
public struct MoveOutcome: Sendable {
    /// The ways to end.
    public enum Ending: Sendable {
        /// The guest is on the destination; what is left to clean up, if anything, is the error.
        case moved(MigrationReport, incomplete: LivemigError?)
        /// Every check has passed, and nothing was to be changed.
        case planned(MovePlan)
        /// The guest was not moved, or nobody knows.
        case failed(LivemigError)

        /// An ending of what the hosts did.
        init(_ ending: ControllerMove.Ending) {
            switch ending {
            case .moved(let report, let incomplete): self = .moved(report, incomplete: incomplete)
            case .failed(let error): self = .failed(error)
            }
        }
    }

    /// The VM as it was named.
    public var vm: VMReference
    /// The attempt, once there was one.
    public var migration: MigrationID?
    /// Where the VM was, once that was known.
    public var source: HostName?
    /// Where it was to go.
    public var destination: HostName
    /// From the command's start to its result.
    public var total: Duration
    /// How it ended.
    public var ending: Ending
    /// Where the guest is now, as far as is known; `nil` where no guest was found.
    public var guest: GuestLocation?
    /// What each side said was wrong.
    public var sides: ControllerMove.SideErrors
    /// What was predicted, where something was.
    public var forecast: Forecast?

    /// States an outcome.
    public init(
        vm: VMReference, migration: MigrationID? = nil, source: HostName? = nil,
        destination: HostName, total: Duration, ending: Ending, guest: GuestLocation? = nil,
        sides: ControllerMove.SideErrors = ControllerMove.SideErrors()
    ) {
        self.vm = vm
        self.migration = migration
        self.source = source
        self.destination = destination
        self.total = total
        self.ending = ending
        self.guest = guest
        self.sides = sides
    }

    /// The error, where there is one.
    public var error: LivemigError? {
        switch ending {
        case .moved(_, let incomplete): incomplete
        case .planned: nil
        case .failed(let error): error
        }
    }

    /// The exit code of a command whose only result this is.
    public var exitCode: ExitCode { error?.code.exitCode ?? .success }
}
