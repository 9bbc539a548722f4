import FoundationEssentials
import History
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

@testable import Commands
@testable import Orchestrator

private let start = WallTime(milliseconds: 1_769_860_800_123)
private let controller = ControllerProcess(id: 17, startTicks: 4, boot: "b")

private func recording(from source: String? = nil) throws -> MoveRecording {
    let request = MoveRequest(
        vm: VMReference(host: try source.map { try HostName($0) }, name: try VMName("web1")),
        to: try HostName("beta"))
    return MoveRecording(of: request, as: .move, at: start, by: controller)
}

private func outcome(
    _ ending: MoveOutcome.Ending, sides: MoveOutcome.SideErrors = .init()
) throws -> MoveOutcome {
    MoveOutcome(
        vm: VMReference(name: try VMName("web1")), migration: MigrationID(Bits128(high: 1, low: 2)),
        source: try HostName("alpha"), destination: try HostName("beta"),
        total: .milliseconds(3600), ending: ending,
        guest: GuestLocation(vm: "web1", state: .running, host: "beta", epoch: Epoch(7)),
        sides: sides)
}

private func plan() throws -> MovePlan {
    try MovePlan(
        moving: VMName("web1"), from: side("alpha", [machine()]), to: side("beta"),
        policy: MigrationPolicy())
}

private func round(_ number: Int) -> RoundReport {
    RoundReport(
        number: number, dirtyPages: 512, pages: PageCounts(), wireBytes: 1 << 20,
        duration: .milliseconds(500), dirtiedPages: 256)
}

/// A move that was made, with two rounds.
private func moved() throws -> MoveRecord {
    var recording = try recording()
    let attempt = Attempt(migration: MigrationID(Bits128(high: 1, low: 2)), epoch: Epoch(7))
    let events: [MigrationEvent] = [
        .planned(try plan()), .prepared(attempt), .phase(.connecting), .phase(.preCopy),
        .round(round(0)), .progress(ProgressMessage(round: 1, done: 2, total: 3, wireBytes: 4)),
        .round(round(1)), .note("cancelling…"), .phase(.switchover),
    ]
    for (number, event) in events.enumerated() {
        _ = recording.note(event, at: .milliseconds(number * 100))
    }
    recording.end(try outcome(.moved(report(), incomplete: nil)))
    return recording.record
}

@Suite("Recording a move")
struct MoveRecordingTests {
    // Breaks when a round, a phase or a measurement of a move is not recorded.
    @Test("everything that is told of a move is kept")
    func moveMade() throws {
        let record = try moved()
        #expect(record.vm == "web1")
        #expect(record.uuid == machine().uuid)
        #expect(record.source == "alpha")
        #expect(record.destination == "beta")
        #expect(record.id.description == "00000000000000010000000000000002")
        #expect(record.rounds == [round(0), round(1)])
        #expect(record.phases.map(\.name) == ["connecting", "pre-copy", "switchover"])
        #expect(record.phases.last?.after == .milliseconds(800))
        let ending = try #require(record.ending)
        #expect(ending.outcome == .moved)
        #expect(ending.exitCode == 0)
        #expect(ending.total == .milliseconds(3600))
        #expect(ending.measured == .init(report()))
        #expect(ending.guest?.epoch == Epoch(7))
        #expect(ending.error == nil)
        #expect(record.policy.onTimeout == "abort")
        #expect(record.policy.path == "direct")
        #expect(record.policy.compression == "auto")
    }

    // Breaks when a killed controller's entry has no migration, or the disk is made to work while
    // the guest stands still.
    @Test("only the attempt is written while a move is under way")
    func writes() throws {
        var recording = try recording(from: "alpha")
        #expect(recording.record.state == .running(controller))
        #expect(recording.record.source == "alpha")
        let attempt = Attempt(migration: .random(), epoch: Epoch(7))
        #expect(recording.record.migration == nil)
        let isWritten = recording.note(.prepared(attempt), at: .zero)
        #expect(isWritten)
        #expect(recording.record.id == attempt.migration)
        let others = PhaseMessage.Phase.allCases.map(MigrationEvent.phase) + [.round(round(0))]
        for event in others {
            let isWritten = recording.note(event, at: .zero)
            #expect(!isWritten)
        }
    }

    // Breaks when a way to fail has no entry, or the word of a side is lost.
    @Test(
        "each way to fail is kept",
        arguments: [
            (.memory, .refused), (.converge, .failed), (.cancelled, .cancelled),
            (.cleanup, .committed), (.inTransfer, .inTransfer), (.authentication, .refused),
        ] as [(ErrorCode, MoveRecord.Outcome)])
    func failures(code: ErrorCode, word: MoveRecord.Outcome) throws {
        var recording = try recording()
        let sides = MoveOutcome.SideErrors(
            source: LivemigError(.stall, "silent"), destination: LivemigError(.qemu, "ended"))
        recording.end(try outcome(.failed(LivemigError(code, "no")), sides: sides))
        let ending = try #require(recording.record.ending)
        #expect(ending.outcome == word)
        #expect(ending.exitCode == code.exitCode.rawValue)
        #expect(ending.error?.code == code.rawValue)
        #expect(ending.sourceError?.code == "E-STALL")
        #expect(ending.destinationError?.what == "ended")
        #expect(ending.measured == nil)
    }

    // Breaks when a source that never ends its rounds makes a record without end.
    @Test("rounds without end are not kept")
    func limit() throws {
        var recording = try recording()
        for number in 0...MoveRecord.roundLimit {
            _ = recording.note(.round(round(number)), at: .zero)
        }
        #expect(recording.record.rounds.count == MoveRecord.roundLimit)
    }
}

@Suite("Showing the history")
struct HistoryRenderingTests {
    private static func hostile() throws -> MoveRecord {
        var recording = try recording()
        recording.end(try outcome(.failed(LivemigError(.io, "no\u{1B}[2J\nmoved", at: "\u{7}"))))
        return recording.record
    }

    // Breaks when columns do not line up, or a move that has not ended looks like one that has.
    @Test("a list has a line for each move")
    func list() throws {
        var failed = try recording()
        failed.end(try outcome(.failed(LivemigError(.memory, "needs 4 GiB"))))
        var interrupted = try recording(from: "alpha").record
        interrupted.state = .interrupted(controller)
        interrupted.migration = MigrationID(Bits128(high: 0xFEED << 48, low: 0))
        let records = [interrupted, failed.record, try moved()]
        let time = start.local
        #expect(
            HistoryText.list(records) == [
                "TIME".padded(to: 28)
                    + "ID        VM    FROM → TO     OUTCOME          BLACKOUT  TOTAL  SENT",
                "\(time)  feed0000  web1  alpha → beta  interrupted      -         -      -",
                "\(time)  00000000  web1  alpha → beta  refused E-NOMEM  -         3.6 s  -",
                "\(time)  00000000  web1  alpha → beta  moved            24 ms     3.6 s  321 MiB",
            ])
        #expect(HistoryText.list([]) == [])
    }

    // Breaks when a fact of a move, or one of its rounds, is not shown.
    @Test("a move is shown with its rounds")
    func show() throws {
        let lines = HistoryText.show(try moved())
        for line in [
            "outcome    moved (exit code 0)", "from → to  alpha → beta",
            "blackout   24 ms = last pages 8 + device state 6 + commit 4 + resume 6",
            "sent       321 MiB for 4.0 GiB of RAM",
            "pages      31,021 sent, 182,211 zero, 77 unchanged",
            "guest      running on beta (epoch 7)", "verified   pages",
            "ROUND  DIRTY    SENT     RATE       DIRTIED    TOOK",
            "1      2.0 MiB  1.0 MiB  2.0 MiB/s  2.0 MiB/s  500 ms", "pre-copy    300 ms",
        ] {
            #expect(lines.contains(line), "\(line) in \(lines)")
        }
        var predicted = try moved()
        predicted.prediction = MovePrediction(
            rounds: .init(2, 4), totalMs: .init(1500, 4000), blackoutMs: .init(20, 40))
        let words = "predicted  2–4 rounds, 1.5 s–4.0 s in all, 20 ms–40 ms blackout"
        #expect(HistoryText.show(predicted).contains(words))
    }

    // Breaks when an error that came from a host moves the cursor or adds lines, in a list or alone.
    @Test("what a host said cannot steer the terminal")
    func hostileText() throws {
        let record = try Self.hostile()
        let lines = HistoryText.list([record]) + HistoryText.show(record)
        #expect(lines.contains("error      E-IO: no\\u{1b}[2J\\u{a}moved; \\u{7}"), "\(lines)")
        let controls = lines.joined().unicodeScalars.filter { $0.value < 0x20 }
        #expect(controls.isEmpty)
        let missing = HistoryWriter.Missing(
            count: 2, reason: LivemigError(.history, "x\u{1B}y", at: "/h"))
        #expect(
            HistoryText.warning(missing)
                == "livemig: warning: 2 moves are not in the history: x\\u{1b}y; /h")
    }

    // Breaks when a field that scripts rely on is missing or has another name than in `result`.
    @Test("a move's document has the fields of its result")
    func documents() throws {
        let line = JSONText.line(MoveDocument(try moved()))
        let result = JSONText.line(ResultEvent(try outcome(.moved(report(), incomplete: nil))))
        for part in try fields(result) where !["event", "time"].contains(part) {
            #expect(try fields(line).contains(part), "\(part)")
        }
        for part in [
            #""id":"00000000000000010000000000000002""#, #""started":"2026-01-31T12:00:00.123Z""#,
            #""ended":"2026-01-31T12:00:03.723Z""#, #""command":"move""#, #""rounds":4"#,
            #""phase":"switchover","time":"2026-01-31T12:00:00.923Z""#, #""duration_ms":500"#,
            #""max_downtime_ms":300"#, #""dirtied_pages":256"#,
        ] {
            #expect(line.contains(part), "\(part) in \(line)")
        }
        let empty = JSONText.line(HistoryDocument([]))
        #expect(empty == #"{"moves":[]}"#)
    }

    // Breaks when a move that has not ended has an exit code, or a failed one hides who said what.
    @Test("a document says how far a move came")
    func states() throws {
        let running = JSONText.line(MoveDocument(try recording().record))
        #expect(running.contains(#""outcome":"running""#))
        for field in ["ended", "exit_code", "migration", "source", "wire_bytes", "code"] {
            #expect(!running.contains("\"\(field)\""), "\(running)")
        }
        var recording = try recording()
        _ = recording.note(.round(round(0)), at: .zero)
        let sides = MoveOutcome.SideErrors(source: LivemigError(.stall, "silent"))
        recording.end(try outcome(.failed(LivemigError(.timeout, "late", at: "a")), sides: sides))
        let failed = JSONText.line(MoveDocument(recording.record))
        for part in [
            #""code":"E-TIMEOUT""#, #""exit_code":5"#, #""wire_bytes":1048576"#,
            #""error":{"code":"E-TIMEOUT","fix":"","message":"late","place":"a"}"#,
            #""source_error":{"code":"E-STALL""#, #""vm_is":{"epoch":7"#,
        ] {
            #expect(failed.contains(part), "\(part) in \(failed)")
        }
    }

    private func fields(_ line: String) throws -> [String] {
        struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }
        struct Names: Decodable {
            let names: [String]
            init(from decoder: any Decoder) throws {
                names = try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue)
            }
        }
        return try JSONDecoder().decode(Names.self, from: Data(line.utf8)).names
    }

    // Breaks when a rate that no link has ends the program.
    @Test("rates of a peer that lies are shown")
    func rates() {
        let round = RoundReport(
            number: 0, dirtyPages: 1, pages: PageCounts(), wireBytes: .max, duration: .zero,
            dirtiedPages: .max)
        #expect(MoveText.rate(round.rate).hasSuffix(" PiB/s"))
        #expect(MoveText.rate(round.dirtyRate).hasSuffix(" PiB/s"))
    }
}

@Suite("The command history")
struct HistoryCommandTests {
    // Breaks when an empty history is an error, or looking at it leaves a file behind.
    @Test("no history is an empty list", arguments: [["--output", "text"], ["--output", "json"]])
    func empty(form: [String]) throws {
        let folder = try ScratchFolder()
        let run = try ProgramRun(["history"] + form, in: folder)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output == (form.last == "json" ? "{\"moves\":[]}\n" : ""))
        #expect(run.errors.isEmpty)
        #expect(folder.read(".local/state/livemig/history.sqlite").isEmpty)
    }

    // Breaks when a move that is asked for by its id is not found, or another is shown.
    @Test("an id, or its first digits, shows one move")
    func oneMove() throws {
        let folder = try ScratchFolder()
        let path = folder.path("history.sqlite")
        let database = try HistoryDatabase(path: path)
        try database.write(try moved())
        var other = try recording().record
        other.migration = MigrationID(Bits128(high: 3, low: 0))
        try database.write(other)
        let environment = ["LIVEMIG_HISTORY": path]
        func run(_ arguments: String...) throws -> ProgramRun {
            try ProgramRun(["history"] + arguments, in: folder, environment: environment)
        }
        let list = try run("--output", "json")
        #expect(list.output.contains(#""outcome":"interrupted""#))
        #expect(try run("--failed").output.split(separator: "\n").count == 2)
        let shown = try run("0000000000000001")
        #expect(shown.status == 0)
        #expect(shown.output.contains("moved (exit code 0)"))
        let ambiguous = try run("0000")
        #expect(ambiguous.status == 3)
        #expect(ambiguous.errors.contains("error[E-AMBIGUOUS]"))
        let unknown = try run("beef")
        #expect(unknown.status == 3)
        #expect(unknown.errors.contains("error[E-NOMOVE]"))
    }

    // Breaks when a broken history stops a move, hides its result, or is not told.
    @Test("a move goes on without its history")
    func broken() throws {
        let folder = try ScratchFolder()
        try folder.write(String(repeating: "garbage ", count: 1024), to: "history.sqlite")
        try folder.write("<livemig version=\"1\"></livemig>", to: "hosts.xml")
        let run = try ProgramRun(
            ["move", "web1", "--to", "beta"], in: folder,
            environment: [
                "LIVEMIG_HISTORY": folder.path("history.sqlite"),
                "LIVEMIG_INVENTORY": folder.path("hosts.xml"),
            ])
        #expect(run.status == 3)
        let lines = run.errors.split(separator: "\n")
        #expect(lines.first?.contains("error[E-NOHOST]") == true)
        #expect(lines.last?.hasPrefix("livemig: warning: 1 move is not in the history: ") == true)
        #expect(lines.last?.contains("damaged") == true)
        let list = try ProgramRun(
            ["history"], in: folder,
            environment: ["LIVEMIG_HISTORY": folder.path("history.sqlite")])
        #expect(list.status == 3)
        #expect(list.errors.contains("error[E-HISTORY]"))
    }

    // Breaks when a dry run is taken for a move.
    @Test("a dry run is not recorded")
    func dryRun() throws {
        let folder = try ScratchFolder()
        _ = try ProgramRun(["move", "web1", "--to", "beta", "--dry-run"], in: folder)
        let path = folder.path(".local/state/livemig/history.sqlite")
        #expect(try HistoryDatabase.existing(path: path)?.path == nil)
    }
}
