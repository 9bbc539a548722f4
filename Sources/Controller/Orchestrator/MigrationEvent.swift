public import MigrationModel
public import WireProtocol

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
    case phase(PhaseMessage.Phase)
    /// The source has ended a round.
    case round(RoundReport)
    /// How far the source is in a round.
    case progress(ProgressMessage)
    /// Something that the operator did or should know, as a sentence.
    case note(String)
    /// Something that a host has found, and that does not change the move.
    case warning(Finding)
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
    }

    /// What each side said was wrong while the hosts made the move.
    public struct SideErrors: Hashable, Sendable {
        /// The source's word, or that it could not be heard any more.
        public var source: LivemigError?
        /// The destination's word.
        public var destination: LivemigError?

        /// States what each side said.
        public init(source: LivemigError? = nil, destination: LivemigError? = nil) {
            self.source = source
            self.destination = destination
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
    public var sides: SideErrors
    /// What was predicted, where something was.
    public var forecast: Forecast?

    /// States an outcome.
    public init(
        vm: VMReference, migration: MigrationID? = nil, source: HostName? = nil,
        destination: HostName, total: Duration, ending: Ending, guest: GuestLocation? = nil,
        sides: SideErrors = SideErrors()
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

extension ExitCode {
    /// The exit code of several results: the worst for the operator, in the order that a drain
    /// uses.
    ///
    /// A guest that may be nowhere comes first, then one whose memory or place is in doubt, then
    /// failures, then refusals.
    public static func worst(of codes: [ExitCode]) -> ExitCode {
        let order: [ExitCode] = [
            .inTransfer, .internal, .verification, .committed, .trust, .failedOnSource,
            .notConverged, .resources, .busy, .refused, .cancelled, .usage,
        ]
        return order.first(where: codes.contains) ?? .success
    }
}
