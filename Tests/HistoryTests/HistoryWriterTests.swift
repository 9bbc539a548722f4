import GRDB
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import History

@Suite("Writers of the history")
struct HistoryWriterTests {
    private let folder: ScratchFolder
    private let path: String

    init() throws {
        folder = try ScratchFolder()
        path = folder.path("livemig/history.sqlite")
    }

    // Breaks when controllers that begin at once fail on each other's tables, or lose moves.
    @Test("several writers at once lose nothing", arguments: 1...3)
    func together(round: Int) throws {
        let writers = (0..<4).map { _ in HistoryWriter(to: .success(path)) }
        for (index, writer) in writers.enumerated() {
            for number in 0..<10 { writer.write(moved(UInt64(index * 10 + number + 1))) }
        }
        let missing = writers.map { $0.finish(within: .seconds(30)) }
        #expect(missing == [nil, nil, nil, nil])
        let database = try #require(try HistoryDatabase.existing(path: path))
        #expect(Set(try database.moves(HistoryQuery()).map(\.key)) == Set((1...40).map(key)))
    }

    // Breaks when the end of a move overtakes its start, or both are entries.
    @Test("the last state of a move is the one that is kept")
    func order() throws {
        let writer = HistoryWriter(to: .success(path))
        writer.write(running(1))
        writer.write(running(2))
        writer.write(moved(1))
        #expect(writer.finish() == nil)
        let records = try #require(try HistoryDatabase.existing(path: path)).moves(HistoryQuery())
        #expect(Set(records) == [moved(1), running(2)])
    }

    // Breaks when a place without a history is told twice for one move, or not at all.
    @Test("what is not written is told, with the reason")
    func failures() throws {
        try folder.write("", to: "livemig")
        let writer = HistoryWriter(to: .success(path))
        writer.write(running(1))
        writer.write(running(2))
        writer.write(refused(1))
        let missing = writer.finish()
        #expect(missing?.count == 2)
        #expect(missing?.reason.code == .history)
        let nowhere = HistoryWriter(to: .failure(LivemigError(.history, "no place")))
        nowhere.write(running())
        #expect(nowhere.finish()?.reason.what == "no place")
        #expect(HistoryWriter(to: .success(path)).finish() == nil)
    }

    // Breaks when a history that was lacking at a move's start is told to lack its end as well.
    @Test("a move whose end is written is not missing")
    func recovered() throws {
        try folder.write("", to: "livemig")
        let writer = HistoryWriter(to: .success(path))
        writer.write(running())
        writer.settle(by: .now + .seconds(10))
        try #require(unsafe unlink(folder.path("livemig")) == 0)
        writer.write(moved())
        #expect(writer.finish() == nil)
    }

    // Breaks when a process that holds the history delays a command without end.
    @Test("a history that is held by another ends the wait")
    func held() throws {
        let database = try HistoryDatabase(path: path)
        try database.write(running(1))
        try DatabaseQueue(path: path).inDatabase { holder in
            try holder.execute(sql: "BEGIN EXCLUSIVE")
            let writer = HistoryWriter(to: .success(path))
            writer.write(running(2))
            let start = MonotonicTime.now
            let early = writer.finish(within: .milliseconds(100))
            #expect(early?.reason.what == "it was not written within 100 ms")
            #expect(start.elapsed < .seconds(2))
            let late = writer.finish(within: .seconds(20))
            #expect(late?.reason.what == "other processes held the history for 3.0 s")
            try holder.execute(sql: "COMMIT")
        }
        #expect(try database.moves(HistoryQuery()).count == 1)
    }
}

@Suite("Controllers that are gone")
struct ControllerProcessTests {
    // Breaks when the move of a controller that was killed is shown as running, before or after its
    // parent has noticed.
    @Test("a killed controller's move was interrupted")
    func killed() throws {
        let folder = try ScratchFolder()
        let database = try HistoryDatabase(path: folder.path("history.sqlite"))
        let child = try ChildProcess(.init("/bin/sleep", ["600"]))
        let stat = ProcessFiles.text("/proc/\(child.id)/stat").split(separator: " ")
        let process = ControllerProcess(
            id: child.id, startTicks: try #require(Int64(stat[21])),
            boot: ControllerProcess.current.boot)
        try database.write(running(by: process))
        #expect(try database.moves(HistoryQuery()).map(\.state) == [.running(process)])
        child.signal(SIGKILL)
        _ = try Poll.wait([.init(child.handle.number)])
        #expect(!process.isAlive, "not yet waited for")
        _ = child.wait()
        #expect(try database.moves(HistoryQuery()).map(\.state) == [.interrupted(process)])
    }

    // Breaks when another process, or one of another boot, is taken for the controller.
    @Test("a process is known by number, start and boot")
    func identity() throws {
        #expect(ControllerProcess.current.isAlive)
        #expect(ControllerProcess.current.startTicks > 0)
        var other = ControllerProcess.current
        other.startTicks += 1
        #expect(!other.isAlive)
        other = .current
        other.boot = "4b7c2d0e"
        #expect(!other.isAlive)
        for number in [0, -1] as [Int32] {
            other = .current
            other.id = number
            #expect(!other.isAlive)
        }
    }
}
