public import MigrationModel

/// A move as the history keeps it.
public struct MoveRecord: Hashable, Sendable {
    /// What the operator typed.
    public enum Command: String, Hashable, Sendable, CaseIterable {
        case move, drain, resume
    }

    /// How far it is.
    public enum State: Hashable, Sendable {
        /// The controller makes it.
        case running(ControllerProcess)
        /// The controller was gone before the end; only told when read, never stored.
        case interrupted(ControllerProcess)
        /// It has ended.
        case ended(Ending)
    }

    /// A phase that the source has begun.
    public struct Phase: Hashable, Sendable {
        /// The word of the `phase` event.
        public var name: String
        /// Since the move's start.
        public var after: Duration

        /// States a phase.
        public init(name: String, after: Duration) {
            self.name = name
            self.after = after
        }
    }

    /// The record's own number, random from the start of the move.
    public var key: Bits128
    /// The attempt, once there was one.
    public var migration: MigrationID?
    /// The command that made the move.
    public var command: Command
    /// How memory is moved, in the word of the `result` event.
    public var mode: String
    /// The VM's name.
    public var vm: String
    /// The VM's identity, once that was known.
    public var uuid: VMUUID?
    /// Where the VM was, once that was known.
    public var source: String?
    /// Where it was to go.
    public var destination: String
    /// When the move began.
    public var started: WallTime
    /// How it was to behave.
    public var policy: MovePolicyRecord
    /// What was predicted, where something was.
    public var prediction: MovePrediction?
    /// The rounds that ended while the guest ran, at most `roundLimit`.
    public var rounds: [RoundReport] = []
    /// The phases, in order.
    public var phases: [Phase] = []
    /// How far it is, or how it ended.
    public var state: State

    /// The most rounds that are kept of one move.
    public static let roundLimit = 1000

    /// States a move that begins.
    public init(
        key: Bits128 = .random(), command: Command, mode: String = "precopy", vm: String,
        source: String?, destination: String, started: WallTime, policy: MovePolicyRecord,
        state: State
    ) {
        self.key = key
        self.command = command
        self.mode = mode
        self.vm = vm
        self.source = source
        self.destination = destination
        self.started = started
        self.policy = policy
        self.state = state
    }

    /// What the move is named by: the attempt's number, else the record's own.
    public var id: MigrationID { migration ?? MigrationID(key) }

    /// How it ended, if it has.
    public var ending: Ending? {
        if case .ended(let ending) = state { ending } else { nil }
    }
}

extension MoveRecord {
    /// What a move came to, in the words of the `result` event.
    public enum Outcome: String, Hashable, Sendable, CaseIterable {
        case moved, refused, failed, cancelled, committed
        case inTransfer = "in-transfer"
    }

    /// An error as it was told.
    public struct Failure: Hashable, Sendable {
        /// The code, which another version may have named.
        public var code: String
        /// What happened.
        public var what: String
        /// Where.
        public var place: String
        /// What to do.
        public var fix: String

        /// States an error.
        public init(code: String, what: String, place: String, fix: String) {
            self.code = code
            self.what = what
            self.place = place
            self.fix = fix
        }

        /// Keeps an error.
        public init(_ error: LivemigError) {
            self.init(
                code: error.code.rawValue, what: error.what, place: error.place, fix: error.fix)
        }
    }

    /// How a move ended.
    public struct Ending: Hashable, Sendable {
        /// From the move's start to its result.
        public var total: Duration
        /// What it came to.
        public var outcome: Outcome
        /// The exit code of a command whose only result this is.
        public var exitCode: Int32
        /// Where the guest was then; `nil` where nobody knew.
        public var guest: GuestLocation?
        /// What was measured, of a move that reached the destination.
        public var measured: Measurements?
        /// The error, where there was one.
        public var error: Failure?
        /// What the source said was wrong.
        public var sourceError: Failure?
        /// What the destination said was wrong.
        public var destinationError: Failure?

        /// States an ending.
        public init(total: Duration, outcome: Outcome, exitCode: Int32) {
            self.total = total
            self.outcome = outcome
            self.exitCode = exitCode
        }
    }

    /// What was measured of a move that reached the destination.
    public struct Measurements: Hashable, Sendable {
        /// The number of rounds, those with the guest stopped included.
        public var rounds: Int
        /// From the first page read to the guest running on the destination.
        public var transfer: Duration
        /// The guest's stop.
        public var downtime: Downtime
        /// The guest's RAM.
        public var guestBytes: UInt64
        /// Bytes on the wire, framing included.
        public var wireBytes: UInt64
        /// What became of the pages.
        public var pages: PageCounts
        /// The level of verification that was reached; `nil` where pages differ.
        public var verified: String?
        /// The pages that an audit found to differ.
        public var differing: DifferingPages

        /// Keeps what a report says.
        public init(_ report: MigrationReport) {
            rounds = report.rounds
            transfer = report.transfer
            downtime = report.downtime
            guestBytes = report.guestBytes.bytes
            wireBytes = report.wireBytes
            pages = report.pages
            verified = report.differing.isEmpty ? report.verified.word : nil
            differing = report.differing
        }

        init(
            rounds: Int, transfer: Duration, downtime: Downtime, guestBytes: UInt64,
            wireBytes: UInt64, pages: PageCounts, verified: String?, differing: DifferingPages
        ) {
            self.rounds = rounds
            self.transfer = transfer
            self.downtime = downtime
            self.guestBytes = guestBytes
            self.wireBytes = wireBytes
            self.pages = pages
            self.verified = verified
            self.differing = differing
        }
    }

    /// Bytes on the wire, as far as they are known; `nil` where nothing was sent.
    public var wireBytes: UInt64? {
        if let measured = ending?.measured { return measured.wireBytes }
        guard !rounds.isEmpty else { return nil }
        return rounds.reduce(0) { sum, round in
            let (total, isBeyond) = sum.addingReportingOverflow(round.wireBytes)
            return isBeyond ? .max : total
        }
    }
}
