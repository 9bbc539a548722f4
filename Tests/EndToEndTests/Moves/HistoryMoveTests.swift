import Glibc
import MigrationModel
import TestSupport
import Testing

/// A move as `livemig history` prints it, as far as tests look at it.
private struct HistoryLine: Decodable {
    let id, command, outcome, started: String
    let migration, source, code, verified: String?
    let exitCode: Int32?
    let rounds: Int?
    let totalMs: Double?
    let downtimeMs: MoveLine.Downtime?
    let wireBytes: UInt64?
    let vmIs: MoveLine.Place?
    let error, destinationError: Failure?
    let roundEvents: [Round]
    let phaseEvents: [Phase]

    struct Failure: Decodable {
        let code, message: String
    }

    struct Round: Decodable {
        let number: Int
        let pages, bytes: UInt64
    }

    struct Phase: Decodable {
        let phase: String
    }
}

private struct HistoryLines: Decodable {
    let moves: [HistoryLine]
}

/// That what happens to real moves is in the history.
@Suite(.serialized) struct HistoryMoveTests {
    private static let workload = "fill=16MiB ws=4MiB rate=20MiB/s writers=2 zero=8"

    private func history(_ someone: Operator) throws -> [HistoryLine] {
        let run = try someone.succeed("history", "--output", "json")
        return try #require(try run.decode(HistoryLines.self).first).moves
    }

    // Breaks when the history tells a move otherwise than its result did, or loses its rounds.
    @Test(.timeLimit(.minutes(1))) func movedAndShown() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        #expect(try history(someone).isEmpty)
        let lines = try someone.succeed("move", "guest", "--to", "beta", "--output", "json")
            .moveLines()
        let result = try #require(lines.last)
        let move = try #require(try history(someone).first)
        #expect(move.migration == result.migration)
        #expect(move.id == result.migration)
        #expect(move.command == "move")
        #expect(move.source == "alpha")
        #expect(move.outcome == "moved")
        #expect(move.exitCode == 0)
        #expect(move.rounds == result.rounds)
        #expect(move.totalMs == result.totalMs)
        #expect(move.downtimeMs?.total == result.downtimeMs?.total)
        #expect(move.wireBytes == result.wireBytes)
        #expect(move.verified == "pages")
        #expect(move.vmIs == result.vmIs)
        let rounds = lines.filter { $0.event == "round" }
        #expect(move.roundEvents.map(\.number) == rounds.compactMap(\.number))
        #expect(move.roundEvents.first?.bytes ?? 0 > 0)
        #expect(move.phaseEvents.map(\.phase) == lines.compactMap(\.phase))

        let list = try someone.succeed("history", "--vm", "guest", "--host", "beta")
        #expect(list.lines.count == 2)
        #expect(list.lines.last?.contains("alpha → beta  moved") == true, "\(list)")
        let shown = try someone.succeed("history", String(move.id.prefix(12)))
        #expect(shown.lines.contains { $0.hasPrefix("0  ") }, "\(shown)")
        #expect(try someone.succeed("history", "--failed").output.isEmpty)
    }

    // Breaks when a move that was refused, failed or left by its controller is not in the history,
    // has the error of another, or looks as if it still ran.
    @Test(.timeLimit(.minutes(1))) func failedAndLeft() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        try someone.run("move", "guest", "--to", "alpha").expect(.alreadyThere)

        let failing = try someone.beginSlowMove()
        #expect(try history(someone).first?.outcome == "running")
        hosts.beta.kill(with: "livemig-synthetic-guest")
        try failing.finish().expect(.destinationQEMU)

        let left = try someone.beginSlowMove()
        left.signal(SIGKILL)
        _ = try left.finish()

        let moves = try history(someone)
        #expect(moves.map(\.outcome) == ["interrupted", "failed", "refused"])
        #expect(moves.map(\.exitCode) == [nil, 5, 3])
        #expect(moves.map(\.code) == [nil, "E-DSTQEMU", "E-ALREADY-THERE"])
        #expect(moves.map { $0.migration == nil } == [false, false, true])
        #expect(moves[1].error?.code == "E-DSTQEMU")
        #expect(moves[1].destinationError?.code == "E-DSTQEMU")
        #expect(moves[1].vmIs?.host == "alpha")
        let failed = try someone.succeed("history", "--failed")
        #expect(failed.lines.count == 4, "\(failed)")
        try expectSoon(within: .seconds(20)) {
            (try? hosts.summary(on: hosts.alpha).right.word) == "OWN"
        }
        try hosts.expectUntouched()
    }
}
