import FoundationEssentials
import Handoff
import History
import MigrationModel
import Testing

@testable import Commands
@testable import Orchestrator

@Suite("Showing the history")
struct HistoryRenderingTests {
    private static func hostile() throws -> MoveRecord {
        var recording = try HistorySamples.recording()
        recording.end(
            try HistorySamples.outcome(
                .failed(LivemigError(.io, "no\u{1B}[2J\nmoved", at: "\u{7}"))))
        return recording.record
    }

    // Breaks when columns do not line up, or a move that has not ended looks like one that has.
    @Test("a list has a line for each move")
    func list() throws {
        var failed = try HistorySamples.recording()
        failed.end(try HistorySamples.outcome(.failed(LivemigError(.memory, "needs 4 GiB"))))
        var interrupted = try HistorySamples.recording(from: "alpha").record
        interrupted.state = .interrupted(HistorySamples.controller)
        interrupted.migration = MigrationID(Bits128(high: 0xFEED << 48, low: 0))
        let records = [interrupted, failed.record, try HistorySamples.moved()]
        let time = HistorySamples.start.local
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
        let lines = HistoryText.show(try HistorySamples.moved())
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
        var predicted = try HistorySamples.moved()
        predicted.prediction = MovePrediction(
            rounds: .init(2, 4), totalMs: .init(1500, 4000), blackoutMs: .init(20, 40))
        let shown = HistoryText.show(predicted)
        let words = "predicted     2–4 rounds, 1.5–4.0 s of transfer, 20–40 ms blackout"
        #expect(shown.contains(words), "\(shown)")
        #expect(shown.contains("as predicted  yes"), "\(shown)")
        predicted.prediction?.blackoutMs = .init(1, 2)
        #expect(HistoryText.show(predicted).contains("as predicted  no: blackout"))
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
        let line = JSONText.line(MoveDocument(try HistorySamples.moved()))
        let result = JSONText.line(
            ResultEvent(try HistorySamples.outcome(.moved(report(), incomplete: nil))))
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
        let running = JSONText.line(MoveDocument(try HistorySamples.recording().record))
        #expect(running.contains(#""outcome":"running""#))
        for field in ["ended", "exit_code", "migration", "source", "wire_bytes", "code"] {
            #expect(!running.contains("\"\(field)\""), "\(running)")
        }
        var recording = try HistorySamples.recording()
        _ = recording.note(.round(HistorySamples.round(0)), at: .zero)
        let sides = ControllerMove.SideErrors(source: LivemigError(.stall, "silent"))
        recording.end(
            try HistorySamples.outcome(
                .failed(LivemigError(.timeout, "late", at: "a")), sides: sides))
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
