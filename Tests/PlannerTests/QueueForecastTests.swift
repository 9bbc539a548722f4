import MigrationModel
import Testing

@testable import Planner

@Suite struct QueueForecastTests {
    private static func moves(_ count: Int) throws -> [MoveQueue.Move] {
        try (0..<count).map { number in
            MoveQueue.Move(
                guest: try VMName("vm\(number)"),
                uuid: VMUUID(Bits128(high: 0, low: UInt64(number))), from: try HostName("alpha"),
                to: try HostName(number % 2 == 0 ? "beta" : "gamma"))
        }
    }

    struct Case: Sendable {
        let seconds: [Int]
        let atOnce: Int
        let total: Int
    }

    static let cases = [
        Case(seconds: [], atOnce: 2, total: 0),
        Case(seconds: [4], atOnce: 2, total: 4),
        Case(seconds: [4, 3, 2], atOnce: 1, total: 9),
        Case(seconds: [4, 3, 2], atOnce: 2, total: 5),
        Case(seconds: [1, 1, 1, 9], atOnce: 2, total: 10),
        Case(seconds: [5, 5, 5, 5], atOnce: 4, total: 5),
    ]

    // Broken by: moves that are counted one after the other, or all at once, whatever the limits.
    @Test(arguments: cases) func span(_ example: Case) throws {
        let moves = try Self.moves(example.seconds.count)
        let limits = MoveQueue.Limits(
            otherHosts: MoveLimits(outgoing: example.atOnce, incoming: example.atOnce))
        let durations = Dictionary(
            uniqueKeysWithValues: zip(moves, example.seconds).map {
                ($0.uuid, Duration.seconds($1))
            })
        let total = MoveQueue.span(of: moves, limits: limits, durations: durations)
        #expect(total == .seconds(example.total))
    }

    // Broken by: moves of others that hold their slots on paper for ever, or are left out.
    @Test func besideOthers() throws {
        let moves = try Self.moves(4)
        let durations = Dictionary(
            uniqueKeysWithValues: moves.map { ($0.uuid, Duration.seconds(1)) })
        for (others, seconds) in [(0, 2), (1, 4), (2, 4)] {
            let limits = MoveQueue.Limits(others: [.out(try HostName("alpha")): others])
            let total = MoveQueue.span(of: moves, limits: limits, durations: durations)
            #expect(total == .seconds(seconds))
        }
    }
}
