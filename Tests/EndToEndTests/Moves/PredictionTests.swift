import FrameTransport
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

    // Breaks when lanes cannot be measured because the guest uses next to no memory.
    @Test(.timeLimit(.minutes(1))) func planOfANearlyEmptyGuest() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=0MiB rate=0")
        let run = try someone.succeed("plan", "move", "guest", "--to", "beta", "--output", "json")
        let plan = try #require(try run.decode(Plan.self).first)
        #expect(plan.prediction.measured.populatedBytes < 1 << 20)
        #expect(plan.prediction.measured.laneRate.low > 1 << 20)
        #expect(plan.prediction.totalMs.high < 60_000)
        try someone.succeed("move", "guest", "--to", "beta")
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
        // Every eighth page of what is filled is left as it was: it holds zeros.
        #expect(measured.populatedBytes >= 24 << 20 && measured.populatedBytes <= 36 << 20)
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

    // Breaks when a move that comes while the guest is measured fails, since the kernel lets one
    // tracker only register the guest's memory.
    @Test(.timeLimit(.minutes(2))) func aMoveWaitsForAMeasurement() throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload)
        let agent = try hosts.alpha.agent()
        let question = MeasureGuest(
            name: try VMName("guest"), peer: Self.nobody, policy: MigrationPolicy())
        try agent.send(question)
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        let answer = try agent.receive()
        switch answer.type {
        case .guestMeasured:
            // Nobody answers there: what the guest writes was measured, and lanes were not.
            let found = try answer.decode(GuestMeasured.self).measurement
            #expect(found.windows.count >= 6 && (try? found.lanes.get()) == nil, "\(found)")
        default:
            // The move was first.
            let error = try answer.decode(FailureMessage.self).error
            #expect([.busy, .notRunning, .noVM].contains(error.code), "\(error)")
        }
        try agent.close()
    }

    // Breaks when a guest is measured while it is moved.
    @Test(.timeLimit(.minutes(2))) func noMeasurementDuringAMove() throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload)
        var slow = MigrationPolicy()
        slow.bandwidth = Bandwidth(bytesPerSecond: 2_000_000)
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, slow)
        try move.wait(for: .preCopy)
        let agent = try hosts.alpha.agent()
        let refused = #expect(throws: LivemigError.self) {
            try agent.request(
                MeasureGuest(
                    name: try VMName("guest"), peer: Self.nobody, policy: MigrationPolicy()),
                for: GuestMeasured.self)
        }
        #expect(refused?.code == .busy, "\(String(describing: refused))")
        try agent.close()
        try move.source.send(Cancel())
        #expect(throws: LivemigError.self) { try move.finish() }
    }

    /// A peer at which nobody listens.
    private static let nobody = StartOutgoing.Peer(
        name: "beta", address: "127.0.0.1", port: 1, user: "root",
        hostKeys: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])

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
