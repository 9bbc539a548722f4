import FoundationEssentials
import GRDB
import LinuxSystem
import MigrationModel

/// A record of a table whose columns are its properties in snake case.
protocol HistoryRow: Codable, FetchableRecord, PersistableRecord {}

extension HistoryRow {
    static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy {
        .convertToSnakeCase
    }
    static var databaseColumnDecodingStrategy: DatabaseColumnDecodingStrategy {
        .convertFromSnakeCase
    }
    static func databaseJSONEncoder(for column: String) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        return encoder
    }
    static func databaseJSONDecoder(for column: String) -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}

/// A row of `moves`.
///
/// Numbers beyond what SQLite holds are stored as the largest that it does.
struct MoveRow: HistoryRow {
    static let databaseTableName = "moves"

    var key: String
    var migration: String?
    var command: String
    var mode: String
    var vm: String
    var uuid: String?
    var source: String?
    var destination: String
    var startedMs: Int64
    var policy: MovePolicyRecord
    var prediction: MovePrediction?
    var controllerPid: Int64?
    var controllerStart: Int64?
    var controllerBoot: String?
    var outcome: String?
    var exitCode: Int64?
    var totalNs: Int64?
    var rounds: Int64?
    var transferNs: Int64?
    var finalPagesNs: Int64?
    var deviceStateNs: Int64?
    var commitNs: Int64?
    var resumeNs: Int64?
    var guestBytes: Int64?
    var wireBytes: Int64?
    var pagesSent: Int64?
    var pagesZero: Int64?
    var pagesUnchanged: Int64?
    var verified: String?
    var differingPages: Int64?
    var differingFirst: [UInt64]?
    var vmState: String?
    var vmHost: String?
    var vmEpoch: Int64?

    init(_ record: MoveRecord) {
        key = record.key.description
        migration = record.migration?.description
        command = record.command.rawValue
        mode = record.mode
        vm = record.vm
        uuid = record.uuid?.description
        source = record.source
        destination = record.destination
        startedMs = record.started.milliseconds
        policy = record.policy
        prediction = record.prediction
        switch record.state {
        case .running(let process), .interrupted(let process):
            controllerPid = Int64(process.id)
            controllerStart = process.startTicks
            controllerBoot = process.boot
        case .ended(let ending): end(ending)
        }
    }

    private mutating func end(_ ending: MoveRecord.Ending) {
        outcome = ending.outcome.rawValue
        exitCode = Int64(ending.exitCode)
        totalNs = ending.total.inNanoseconds
        vmState = ending.guest?.state.rawValue
        vmHost = ending.guest?.host
        vmEpoch = ending.guest.map { Int64(clamping: $0.epoch.number) }
        guard let measured = ending.measured else { return }
        rounds = Int64(measured.rounds)
        transferNs = measured.transfer.inNanoseconds
        finalPagesNs = measured.downtime.finalPages.inNanoseconds
        deviceStateNs = measured.downtime.deviceState.inNanoseconds
        commitNs = measured.downtime.commit.inNanoseconds
        resumeNs = measured.downtime.resume.inNanoseconds
        guestBytes = Int64(clamping: measured.guestBytes)
        wireBytes = Int64(clamping: measured.wireBytes)
        pagesSent = Int64(clamping: measured.pages.sent)
        pagesZero = Int64(clamping: measured.pages.zero)
        pagesUnchanged = Int64(clamping: measured.pages.unchanged)
        verified = measured.verified
        guard !measured.differing.isEmpty else { return }
        differingPages = Int64(clamping: measured.differing.count)
        differingFirst = measured.differing.first
    }
}

/// A row of `rounds`.
struct RoundRow: HistoryRow {
    static let databaseTableName = "rounds"

    var move: String
    var number: Int64
    var pages: Int64
    var sent: Int64
    var zero: Int64
    var unchanged: Int64
    var wireBytes: Int64
    var dirtiedPages: Int64
    var durationNs: Int64

    init(_ round: RoundReport, of move: String) {
        self.move = move
        number = Int64(round.number)
        pages = Int64(clamping: round.dirtyPages)
        sent = Int64(clamping: round.pages.sent)
        zero = Int64(clamping: round.pages.zero)
        unchanged = Int64(clamping: round.pages.unchanged)
        wireBytes = Int64(clamping: round.wireBytes)
        dirtiedPages = Int64(clamping: round.dirtiedPages)
        durationNs = round.duration.inNanoseconds
    }
}

/// A row of `phases`.
struct PhaseRow: HistoryRow {
    static let databaseTableName = "phases"

    var move: String
    var number: Int64
    var name: String
    var afterNs: Int64
}

/// A row of `errors`.
struct ErrorRow: HistoryRow {
    static let databaseTableName = "errors"

    /// Whose word it is.
    enum Side: String, Codable {
        case move, source, destination
    }

    var move: String
    var side: Side
    var code: String
    var what: String
    var place: String
    var fix: String

    init(_ failure: MoveRecord.Failure, by side: Side, of move: String) {
        self.move = move
        self.side = side
        code = failure.code
        what = failure.what
        place = failure.place
        fix = failure.fix
    }

    var failure: MoveRecord.Failure {
        .init(code: code, what: what, place: place, fix: fix)
    }
}
