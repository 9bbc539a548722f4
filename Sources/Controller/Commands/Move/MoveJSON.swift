import MigrationModel
import Orchestrator
import WireProtocol

/// A move as JSON lines.
enum MoveJSON {
    /// The line of an event; `nil` for what has none.
    static func line(_ event: MigrationEvent, vm: VMReference) -> String? {
        switch event {
        case .planned(let plan): JSONText.line(PlanEvent(plan))
        case .phase(let phase): JSONText.line(PhaseEvent(vm: vm.name.text, phase: phase.name))
        case .round(let round): JSONText.line(RoundEvent(round, vm: vm.name.text))
        case .progress(let progress):
            JSONText.line(
                ProgressEvent(
                    vm: vm.name.text, round: progress.round, done: progress.done,
                    total: progress.total, wireBytes: progress.wireBytes))
        case .predicted(let forecast):
            JSONText.line(PredictionEvent(forecast, vm: vm.name.text))
        case .warning(let finding):
            JSONText.line(WarningEvent(vm: vm.name.text, warning: FindingDocument(finding)))
        case .prepared, .measuring, .note: nil
        }
    }
}

/// `warning`: something that a host has found, and that does not change the result.
struct WarningEvent: Encodable {
    let event = "warning"
    let time = JSONText.time
    var vm: String?
    var host: String?
    let warning: FindingDocument
}

/// `plan`: every check has passed.
struct PlanEvent: Encodable {
    let event = "plan"
    let time = JSONText.time
    let vm: String
    let uuid: String
    let source: String
    let destination: String
    let memoryBytes: UInt64
    let memoryAvailableBytes: UInt64
    let epoch: UInt64
    let warnings: [FindingDocument]?
    /// What it does, in words, where nothing but the plan is wanted.
    var steps: [String]?
    var prediction: PredictionDocument?

    init(_ plan: MovePlan) {
        vm = plan.machine.name
        uuid = plan.machine.uuid.description
        source = plan.source.text
        destination = plan.destination.text
        memoryBytes = plan.machine.memory.bytes
        memoryAvailableBytes = plan.memoryAvailable.bytes
        epoch = plan.epoch.number
        warnings = plan.warnings.isEmpty ? nil : plan.warnings.map(FindingDocument.init)
    }

    /// The plan alone, with what is predicted.
    init(_ plan: MovePlan, _ forecast: Forecast?) {
        self.init(plan)
        steps = MoveText.steps(plan, lanes: forecast?.lanes)
        prediction = forecast.map(PredictionDocument.init)
    }
}

/// `phase`: the source has begun a phase.
struct PhaseEvent: Encodable {
    let event = "phase"
    let time = JSONText.time
    let vm: String
    let phase: String
}

/// `round`: a round has ended; rates in bytes a second.
struct RoundEvent: Encodable {
    let event = "round"
    let time = JSONText.time
    let vm: String
    let number: Int
    let pages: UInt64
    let sent: UInt64
    let zero: UInt64
    let unchanged: UInt64
    let bytes: UInt64
    let rate: Double
    let dirtiedPages: UInt64
    let dirtyRate: Double
    let durationMs: Double

    init(_ round: RoundReport, vm: String) {
        self.vm = vm
        number = round.number
        pages = round.dirtyPages
        sent = round.pages.sent
        zero = round.pages.zero
        unchanged = round.pages.unchanged
        bytes = round.wireBytes
        rate = round.rate.rounded()
        dirtiedPages = round.dirtiedPages
        dirtyRate = round.dirtyRate.rounded()
        durationMs = round.duration.jsonMilliseconds
    }
}

/// `progress`: how far a round is; pages, and bytes since the move began.
struct ProgressEvent: Encodable {
    let event = "progress"
    let time = JSONText.time
    let vm: String
    let round: Int
    let done: UInt64
    let total: UInt64
    let wireBytes: UInt64
}

/// `result`: the last line of a move.
struct ResultEvent: Encodable {
    let event = "result"
    let time = JSONText.time
    let vm: String
    let migration: String?
    let source: String?
    let destination: String
    let outcome: String
    let exitCode: Int32
    let mode = "precopy"
    let totalMs: Double
    var rounds: Int?
    var transferMs: Double?
    var downtimeMs: DowntimeDocument?
    var guestBytes: UInt64?
    var wireBytes: UInt64?
    var pages: PagesDocument?
    /// Absent where an audit has found differences.
    var verified: String?
    var differingPages: DifferingDocument?
    /// Absent where nothing was measured.
    var network: [ReachDocument]?
    let code: String?
    let vmIs: GuestDocument?

    struct DowntimeDocument: Encodable {
        let total: Double
        let finalPages: Double
        let deviceState: Double
        let commit: Double
        let resume: Double

        init(_ downtime: Downtime) {
            total = downtime.total.jsonMilliseconds
            finalPages = downtime.finalPages.jsonMilliseconds
            deviceState = downtime.deviceState.jsonMilliseconds
            commit = downtime.commit.jsonMilliseconds
            resume = downtime.resume.jsonMilliseconds
        }
    }

    struct DifferingDocument: Encodable {
        let count: UInt64
        let first: [UInt64]

        init(_ differing: DifferingPages) {
            count = differing.count
            first = differing.first
        }
    }

    /// An interface of the guest, as its bridge on the destination saw it.
    struct ReachDocument: Encodable {
        let bridge: String
        let mac: String
        /// Absent where the bridge did not learn of it in time.
        let learntMs: Double?
        let port: String

        init(_ reach: NetworkReach) {
            bridge = reach.bridge
            mac = reach.mac
            learntMs = reach.after?.jsonMilliseconds
            port = reach.state.word
        }
    }

    /// The kinds of page that scripts may rely on; those that no move of this version has are 0.
    struct PagesDocument: Encodable {
        let sent: UInt64
        let zero: UInt64
        let duplicate: UInt64 = 0
        let delta: UInt64 = 0
        let unchanged: UInt64
        let faulted: UInt64 = 0

        init(_ pages: PageCounts) {
            sent = pages.sent
            zero = pages.zero
            unchanged = pages.unchanged
        }
    }

    init(_ outcome: MoveOutcome) {
        vm = outcome.vm.name.text
        migration = outcome.migration?.description
        source = outcome.source?.text
        destination = outcome.destination.text
        self.outcome = Self.word(outcome)
        exitCode = outcome.exitCode.rawValue
        totalMs = outcome.total.jsonMilliseconds
        vmIs = outcome.guest.map(GuestDocument.init)
        code = outcome.error?.code.rawValue
        guard case .moved(let report, _) = outcome.ending else { return }
        rounds = report.rounds
        transferMs = report.transfer.jsonMilliseconds
        downtimeMs = DowntimeDocument(report.downtime)
        guestBytes = report.guestBytes.bytes
        wireBytes = report.wireBytes
        pages = PagesDocument(report.pages)
        if !report.reach.isEmpty { network = report.reach.map(ReachDocument.init) }
        if report.differing.isEmpty {
            verified = report.verified.word
        } else {
            differingPages = DifferingDocument(report.differing)
        }
    }

    static func word(_ outcome: MoveOutcome) -> String {
        switch outcome.ending {
        case .moved: "moved"
        case .planned: "planned"
        case .failed(let error):
            switch error.code.exitCode {
            case .cancelled: "cancelled"
            case .refused, .usage, .busy, .resources, .trust: "refused"
            case .inTransfer: "in-transfer"
            case .committed: "committed"
            case .success, .failedOnSource, .verification, .internal, .notConverged: "failed"
            }
        }
    }
}
