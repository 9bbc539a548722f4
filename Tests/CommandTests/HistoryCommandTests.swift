import History
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import Commands

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
        try database.write(try HistorySamples.moved())
        var other = try HistorySamples.recording().record
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
        #expect(ambiguous.status == 2)
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
        let port = try SilentPort()
        let inventory = try port.inventory(folder)
        let run = try ProgramRun(
            ["move", "web1", "--to", "beta"], in: folder,
            environment: [
                "LIVEMIG_HISTORY": folder.path("history.sqlite"),
                "LIVEMIG_INVENTORY": inventory,
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
