import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Measuring a guest and predicting its move, between two hosts.
@Suite(.serialized) struct PredictionTests {
    private static let workload = "fill=32MiB ws=8MiB rate=20MiB/s content=mixed"

    /// What scripts read of a plan.
    private struct Plan: Decodable {
        let vm, source, destination: String
        let steps: [String]
        let prediction: Prediction

        struct Prediction: Decodable {
            let rounds: Span<Int>
            let totalMs, blackoutMs: Span<Double>
            let converges: String
            let measured: Measured
        }

        struct Measured: Decodable {
            let lanes: Int
            let populatedBytes: UInt64
            let laneRate: Span<UInt64>
            let windows: [Window]
        }

        struct Window: Decodable {
            let ms: Double
            let pages: Span<UInt64>
        }

        struct Span<Value: Decodable>: Decodable {
            let low, high: Value
        }
    }

    // Breaks when a plan changes anything, counts pages that the guest does not write, or leaves
    // out those it does, or opens no lanes.
    @Test(.timeLimit(.minutes(2))) func planOfAMove() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let before = try hosts.summary(on: hosts.alpha)
        let run = try someone.succeed("plan", "move", "guest", "--to", "beta", "--output", "json")
        let plan = try #require(try run.decode(Plan.self).first)
        #expect(plan.source == "alpha" && plan.destination == "beta" && plan.steps.count == 4)
        let measured = plan.prediction.measured
        #expect(measured.lanes >= 1 && measured.laneRate.low > 0)
        #expect(measured.populatedBytes >= 32 << 20 && measured.populatedBytes < 64 << 20)
        let longest = try #require(measured.windows.last)
        // 8 MiB are written again and again, and a heartbeat beside them.
        #expect(longest.pages.high >= 1000 && longest.pages.high <= 2048 + 64, "\(longest)")
        #expect(measured.windows.count >= 6)
        #expect(plan.prediction.rounds.low >= 2)
        #expect(plan.prediction.totalMs.low <= plan.prediction.totalMs.high)
        #expect(try hosts.summary(on: hosts.alpha) == before)
        let text = try someone.succeed("plan", "move", "guest", "--to", "beta")
        #expect(text.lines.contains { $0.hasPrefix("  predicted  ") }, "\(text)")
        #expect(text.lines.last == "would move. Nothing was changed.")
        try hosts.expectUntouched()
    }

    // Breaks when a prediction is not made, not compared with what happened, or not kept.
    @Test(.timeLimit(.minutes(2))) func moveThatWasPredicted() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let run = try someone.succeed("move", "guest", "--to", "beta", "--predict")
        #expect(run.messages.contains { $0.hasPrefix("predicted  ") }, "\(run)")
        let verdict = try #require(run.lines.last)
        #expect(
            verdict == "as predicted." || verdict.hasPrefix("not as predicted: "), "\(run)")
        let history = try someone.succeed("history", "--output", "json")
        #expect(history.output.contains("\"prediction\":{"), "\(history)")
    }

    // Breaks when a guest is measured while it is moved, which would end the move, or a move that
    // comes while it is measured does not wait.
    @Test(.timeLimit(.minutes(2))) func neverBoth() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let measuring = try someone.begin(["plan", "move", "guest", "--to", "beta"])
        let moving = try someone.begin([
            "move", "guest", "--to", "beta", "--bandwidth", "40Mbit", "--on-timeout", "pause",
            "--max-downtime", "10s",
        ])
        let first = try measuring.finish()
        let moved = try moving.finish()
        #expect(moved.status == 0, "\(moved)")
        #expect(first.status == 0 || first.messages.joined().contains("E-BUSY"), "\(first)")
    }

    // Breaks when a guest that does not run, or lanes that cannot be opened, are predicted of.
    @Test(.timeLimit(.minutes(2))) func whatCannotBeMeasured() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let relayed = try someone.run(
            "plan", "move", "guest", "--to", "beta", "--path", "relay")
        #expect(relayed.status == 3, "\(relayed)")
        #expect(relayed.messages.joined().contains("not measured"), "\(relayed)")
        let moved = try someone.succeed(
            "move", "guest", "--to", "beta", "--path", "relay", "--predict")
        #expect(moved.messages.joined().contains("no prediction"), "\(moved)")
    }
}
