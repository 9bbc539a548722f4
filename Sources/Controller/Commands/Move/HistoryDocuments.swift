import History
import MigrationModel

/// Moves of the history, the latest first.
struct HistoryDocument: Encodable {
    let moves: [MoveDocument]

    init(_ records: [MoveRecord]) { moves = records.map(MoveDocument.init) }
}

/// A move of the history; what the `result` event has is named as there.
struct MoveDocument: Encodable {
    let id: String
    let migration: String?
    let command: String
    let vm: String
    let uuid: String?
    let source: String?
    let destination: String
    let started: String
    let mode: String
    let policy: MovePolicyRecord
    let prediction: MovePrediction?
    let outcome: String
    /// The rounds and phases as their events told them; the rounds with the guest stopped have none.
    let roundEvents: [RoundDocument]
    let phaseEvents: [PhaseDocument]
    var ended: String?
    var exitCode: Int32?
    var code: String?
    var error: FailureDocument?
    var sourceError: FailureDocument?
    var destinationError: FailureDocument?
    var vmIs: GuestDocument?
    var totalMs: Double?
    var rounds: Int?
    var transferMs: Double?
    var downtimeMs: ResultEvent.DowntimeDocument?
    var guestBytes: UInt64?
    var wireBytes: UInt64?
    var pages: ResultEvent.PagesDocument?
    var verified: String?
    var differingPages: ResultEvent.DifferingDocument?

    /// A round; rates in bytes a second.
    struct RoundDocument: Encodable {
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
    }

    struct PhaseDocument: Encodable {
        let phase: String
        let time: String
    }

    struct FailureDocument: Encodable {
        let code: String
        let message: String
        let place: String
        let fix: String

        init(_ failure: MoveRecord.Failure) {
            code = failure.code
            message = failure.what
            place = failure.place
            fix = failure.fix
        }
    }

    init(_ record: MoveRecord) {
        id = record.id.description
        migration = record.migration?.description
        command = record.command.rawValue
        vm = record.vm
        uuid = record.uuid?.description
        source = record.source
        destination = record.destination
        started = record.started.rfc3339
        mode = record.mode
        policy = record.policy
        prediction = record.prediction
        roundEvents = record.rounds.map(RoundDocument.init)
        phaseEvents = record.phases.map {
            PhaseDocument(phase: $0.name, time: (record.started + $0.after).rfc3339)
        }
        wireBytes = record.wireBytes
        switch record.state {
        case .running: outcome = "running"
        case .interrupted: outcome = "interrupted"
        case .ended(let ending):
            outcome = ending.outcome.rawValue
            ended = (record.started + ending.total).rfc3339
            add(ending)
        }
    }

    private mutating func add(_ ending: MoveRecord.Ending) {
        exitCode = ending.exitCode
        code = ending.error?.code
        error = ending.error.map(FailureDocument.init)
        sourceError = ending.sourceError.map(FailureDocument.init)
        destinationError = ending.destinationError.map(FailureDocument.init)
        vmIs = ending.guest.map(GuestDocument.init)
        totalMs = ending.total.jsonMilliseconds
        guard let measured = ending.measured else { return }
        rounds = measured.rounds
        transferMs = measured.transfer.jsonMilliseconds
        downtimeMs = .init(measured.downtime)
        guestBytes = measured.guestBytes
        pages = .init(measured.pages)
        verified = measured.verified
        if !measured.differing.isEmpty { differingPages = .init(measured.differing) }
    }
}

extension MoveDocument.RoundDocument {
    init(_ round: RoundReport) {
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
