import GRDB
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import History

@Suite("The history's records")
struct HistoryDatabaseTests {
    private let folder: ScratchFolder
    private let path: String

    init() throws {
        folder = try ScratchFolder()
        path = folder.path("state/livemig/history.sqlite")
    }

    private static func mode(_ path: String) throws -> mode_t {
        var status = stat()
        try #require(unsafe stat(path, &status) == 0, "\(path)")
        return status.st_mode & 0o7777
    }

    // Breaks when a part of a record is not stored, or comes back as something else.
    @Test("what is written is read")
    func roundTrip() throws {
        let database = try HistoryDatabase(path: path)
        let records = [moved(1, at: 3), refused(2, at: 2), running(3, from: nil, at: 1)]
        for record in records { try database.write(record) }
        #expect(try database.moves(HistoryQuery()) == records)
        let again = try #require(try HistoryDatabase.existing(path: path))
        #expect(try again.moves(HistoryQuery()) == records)
        #expect(try again.move("abcd") == records[0])
    }

    // Breaks when pages that an audit found to differ are lost, or the move passes for verified.
    @Test("what an audit found is kept")
    func audit() throws {
        var record = moved()
        var ending = try #require(record.ending)
        ending.measured?.verified = nil
        ending.measured?.differing = try #require(DifferingPages(count: 2, first: [17, 4711]))
        record.state = .ended(ending)
        let database = try HistoryDatabase(path: path)
        try database.write(record)
        #expect(try database.moves(HistoryQuery()) == [record])
    }

    // Breaks when numbers of a peer that lies end the program, or a round that is told twice makes
    // the whole move unrecorded.
    @Test("numbers that no host has do no harm")
    func extremes() throws {
        var record = moved()
        var counts = PageCounts()
        counts.sent = .max
        let round = RoundReport(
            number: .max, dirtyPages: .max, pages: counts, wireBytes: .max,
            duration: .seconds(Int64.max), dirtiedPages: .max)
        record.rounds = [round, round]
        #expect(record.wireBytes == 321 << 20)
        let database = try HistoryDatabase(path: path)
        try database.write(record)
        let read = try #require(try database.moves(HistoryQuery()).first)
        #expect(read.rounds.map(\.wireBytes) == [UInt64(Int64.max)])
    }

    // Breaks when the end of a move is a second entry, or leaves rounds of the first behind.
    @Test("a record takes the place of the one before")
    func replaced() throws {
        let database = try HistoryDatabase(path: path)
        try database.write(running(1))
        try database.write(moved(1))
        try database.write(moved(1))
        #expect(try database.moves(HistoryQuery()) == [moved(1)])
    }

    // Breaks when others can read who moved what, or may exchange the file.
    @Test("the file and its folders are private")
    func modes() throws {
        try HistoryDatabase(path: path).write(running())
        #expect(try Self.mode(path) == 0o600)
        #expect(try Self.mode(folder.path("state/livemig")) == 0o700)
        #expect(try Self.mode(folder.path("state")) == 0o700)
    }

    // Breaks when old moves are kept for ever, or the latest are forgotten, in whatever order they
    // end.
    @Test("only the latest are kept")
    func pruning() throws {
        let database = try HistoryDatabase(path: path, moveLimit: 3)
        for number in [5, 1, 4, 2, 3] as [UInt64] {
            try database.write(moved(number, at: Int64(number)))
        }
        let kept = try database.moves(HistoryQuery())
        #expect(kept.map(\.key) == [key(5), key(4), key(3)])
        let parts = try database.read { database in
            try RoundRow.fetchCount(database) + PhaseRow.fetchCount(database)
                + ErrorRow.fetchCount(database)
        }
        #expect(parts == 3 * (3 + 2 + 3))
    }

    private static func query(_ change: (inout HistoryQuery) -> Void) -> HistoryQuery {
        var query = HistoryQuery()
        change(&query)
        return query
    }

    // Breaks when a choice lets another move through, or hides one.
    @Test(
        "moves are chosen",
        arguments: [
            (HistoryQuery(), [6, 5, 4, 3, 2, 1]), (HistoryQuery(limit: 2), [6, 5]),
            (query { $0.vm = "db" }, [4]), (query { $0.vm = "web" }, []),
            (query { $0.host = "gamma" }, [5, 3]), (query { $0.failedOnly = true }, [6, 2, 1]),
            (query { ($0.failedOnly, $0.limit) = (true, 1) }, [6]),
            (query { $0.since = WallTime(milliseconds: 4000) }, [6, 5, 4]),
        ] as [(HistoryQuery, [UInt64])])
    func queries(query: HistoryQuery, expected: [UInt64]) throws {
        let database = try HistoryDatabase(path: path)
        let dead = ControllerProcess(id: 1, startTicks: -1, boot: "another")
        var clean = moved(3, at: 3)
        clean.destination = "gamma"
        var ending = try #require(clean.ending)
        ending.exitCode = 0
        clean.state = .ended(ending)
        for record in [
            refused(1, at: 1), moved(2, at: 2), clean, running(4, vm: "db", at: 4),
            running(5, from: "gamma", at: 5), running(6, at: 6, by: dead),
        ] { try database.write(record) }
        #expect(try database.moves(query).map(\.key) == expected.map(key))
    }

    // Breaks when a move is not found by its first digits, or one of several is shown for the other.
    @Test("a move is found by the first digits of its id")
    func prefixes() throws {
        let database = try HistoryDatabase(path: path)
        for number in [1, 2] as [UInt64] { try database.write(moved(number)) }
        try database.write(refused(0xFEED_0001))
        #expect(try database.move("feed").key == key(0xFEED_0001))
        #expect(try database.move("FEED0001").key == key(0xFEED_0001))
        #expect(try database.move(moved(2).id.description) == moved(2))
        let failures: [(String, ErrorCode)] = [
            ("abcd", .ambiguousVM), ("dead", .noMove), ("fee", .usage), ("feed%", .usage),
            ("", .usage), (String(repeating: "a", count: 33), .usage), ("ＦＥＥＤ", .usage),
            // The record's own number names nothing once there is an attempt.
            (key(1).description, .noMove),
        ]
        for (prefix, code) in failures {
            let error = #expect(throws: LivemigError.self) { try database.move(prefix) }
            #expect(error?.code == code, "\(prefix)")
        }
    }

    // Breaks when nothing recorded yet is an error, or looking makes a file.
    @Test("no history is an empty one")
    func absent() throws {
        #expect(try HistoryDatabase.existing(path: path)?.path == nil)
        #expect(unsafe access(folder.path("state"), F_OK) == -1)
    }
}
