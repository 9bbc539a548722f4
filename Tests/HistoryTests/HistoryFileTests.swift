import GRDB
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import History

@Suite("Histories that cannot be used")
struct HistoryFileTests {
    private let folder: ScratchFolder
    private let path: String

    init() throws {
        folder = try ScratchFolder()
        path = folder.path("history.sqlite")
    }

    private func refusal(_ path: String? = nil) -> LivemigError? {
        #expect(throws: LivemigError.self) { try HistoryDatabase(path: path ?? self.path) }
    }

    private func bytes() throws -> [UInt8] {
        let file = try OwnedDescriptor.open(path, O_RDONLY)
        return try DescriptorIO.readFully(upTo: 1 << 20, from: file.number)
    }

    // Breaks when a history of a newer livemig is written, which would damage it, or the error does
    // not say which version it has.
    @Test("a newer version is refused by name and left as it is")
    func newer() throws {
        do {
            let database = try HistoryDatabase(path: path)
            try database.write(moved())
        }
        try DatabaseQueue(path: path).write { database in
            try database.execute(sql: "INSERT INTO grdb_migrations VALUES ('2')")
        }
        let before = try bytes()
        let error = refusal()
        #expect(error?.code == .history)
        #expect(error?.what == "the history has version 2, and this livemig knows 1")
        #expect(error?.place == path)
        #expect(try bytes() == before)
    }

    // Breaks when a file that is no history is written over, or the error does not say what to do.
    @Test("garbage is refused and left as it is")
    func garbage() throws {
        try folder.write(String(repeating: "not a database. ", count: 512), to: "history.sqlite")
        let before = try bytes()
        let error = refusal()
        #expect(error?.code == .history)
        #expect(error?.explanation.contains("damaged") == true)
        #expect(error?.fix.contains("move the file away") == true)
        #expect(try bytes() == before)
    }

    // Breaks when livemig puts its tables into a database of another program.
    @Test("another program's database is refused and left as it is")
    func foreign() throws {
        try folder.write("", to: "history.sqlite")
        try DatabaseQueue(path: path).write {
            try $0.execute(sql: "CREATE TABLE places (url TEXT)")
        }
        let before = try bytes()
        #expect(refusal()?.what == "the file is a database of another program")
        #expect(try bytes() == before)
    }

    // Breaks when a damaged page ends the program, or is passed over.
    @Test("a history with damaged pages is refused")
    func damaged() throws {
        do {
            let database = try HistoryDatabase(path: path)
            for number in 1..<40 as Range<UInt64> { try database.write(moved(number)) }
        }
        var contents = try bytes()
        for index in 4096..<contents.count { contents[index] = UInt8(truncatingIfNeeded: index) }
        let file = try OwnedDescriptor.open(path, O_WRONLY)
        try DescriptorIO.write(contents, to: file.number)
        let error = #expect(throws: LivemigError.self) {
            _ = try HistoryDatabase(path: path).moves(HistoryQuery())
        }
        #expect(error?.code == .history)
    }

    // Breaks when a value that livemig never writes ends the program that reads it.
    @Test(
        "an entry that makes no sense is an error",
        arguments: [
            "outcome = 'teleported'", "key = 'x'", "command = ''", "policy = '{}'",
            "policy = 'x'", "total_ns = NULL", "differing_pages = 3, differing_first = '[1]'",
        ])
    func entries(change: String) throws {
        let database = try HistoryDatabase(path: path)
        var record = moved()
        record.rounds = []
        record.phases = []
        try database.write(record)
        try DatabaseQueue(path: path).write { database in
            try database.execute(sql: "DELETE FROM errors; UPDATE moves SET " + change)
        }
        let error = #expect(throws: LivemigError.self) {
            _ = try database.moves(HistoryQuery())
        }
        #expect(error?.code == .history)
    }

    // Breaks when a place that cannot be written is taken, or the reason is not told.
    @Test(
        "a place that cannot be written is refused",
        arguments: [
            ("/proc/livemig/history.sqlite", "/proc/livemig"),
            ("/dev/null/history.sqlite", "/dev/null"), ("/dev/null", "/dev/null"),
        ])
    func unwritable(path: String, place: String) {
        let error = refusal(path)
        #expect(error?.code == .history)
        #expect(error?.place.contains(place) == true, "\(error.debugDescription)")
    }

    // Breaks when others may read the history, exchange it, or roll back what they put beside it.
    @Test("a file or folder that is open to others is refused")
    func exposed() throws {
        _ = try HistoryDatabase(path: path)
        try #require(unsafe chmod(path, 0o644) == 0)
        #expect(refusal()?.explanation.contains("mode 0644") == true)
        try #require(unsafe chmod(path, 0o600) == 0)
        try #require(unsafe chmod(folder.path, 0o770) == 0)
        #expect(refusal()?.what == "others may write the folder of the history")
        try #require(unsafe chmod(folder.path, 0o700) == 0)
        try #require(unsafe symlink(path, folder.path("link")) == 0)
        #expect(refusal(folder.path("link"))?.what == "not a regular file")
        _ = try HistoryDatabase(path: path)
    }

    // Breaks when a name is taken for a URI or a database in memory, and nothing is kept.
    @Test(
        "names that SQLite reads otherwise are names",
        arguments: [":memory:", "file:x?mode=memory"])
    func names(name: String) throws {
        let path = folder.path(name)
        try HistoryDatabase(path: path).write(running())
        #expect(try HistoryDatabase.existing(path: path)?.moves(HistoryQuery()).count == 1)
    }

    // Breaks when the order of the places changes, or a variable that is empty or relative counts.
    @Test(
        "the place",
        arguments: [
            (["LIVEMIG_HISTORY": "x", "HOME": "/h"], "x"),
            (["XDG_STATE_HOME": "/s/", "HOME": "/h"], "/s/livemig/history.sqlite"),
            (["XDG_STATE_HOME": "s", "HOME": "/h"], "/h/.local/state/livemig/history.sqlite"),
            (["LIVEMIG_HISTORY": "", "HOME": "/h"], "/h/.local/state/livemig/history.sqlite"),
            (["HOME": ""], "/var/lib/livemig/history.sqlite"),
            ([:], "/var/lib/livemig/history.sqlite"),
        ] as [([String: String], String)])
    func place(environment: [String: String], path: String) throws {
        #expect(try HistoryPlace.find(environment: environment, isRoot: true) == path)
    }

    // Breaks when somebody without a home writes to a folder of the system's.
    @Test("only root has a place without a home")
    func noPlace() {
        let error = #expect(throws: LivemigError.self) {
            try HistoryPlace.find(environment: [:], isRoot: false)
        }
        #expect(error?.code == .history)
    }
}
