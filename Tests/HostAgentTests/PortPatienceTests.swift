import LinuxSystem
import MigrationModel
import Testing

@testable import HostAgent

@Suite("Ports that are waited for")
struct PortPatienceTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    /// What a wait makes of a port's states, each with the milliseconds since its beginning.
    private func verdicts(_ looks: [(PortState?, Int64)]) -> [Bool] {
        var patience = PortPatience(limit: .seconds(40), since: start)
        return looks.map { patience.isOver($0.0, at: start + .milliseconds($0.1)) }
    }

    // Broken by: a limit below what the spanning tree takes, or none.
    @Test func limit() {
        let tree = BridgeFacts(
            name: "br0", mtu: 1500, usesSpanningTree: true, forwardDelay: .seconds(15))
        #expect(PortPatience.limit(for: tree) == .seconds(40))
        #expect(PortPatience.limit(for: BridgeFacts(name: "br0", mtu: 1500)) == .seconds(10))
        #expect(
            verdicts([
                (.listening, 0), (.learning, 39_999), (.blocking, 39_999), (.learning, 40_000),
            ])
                == [false, false, false, true])
    }

    // Broken by: half a minute's wait for a port that nothing will ever change, or a refusal for
    // one that was down for a moment.
    @Test(arguments: [nil, PortState.disabled])
    func idle(_ idle: PortState?) {
        #expect(
            verdicts([(idle, 0), (idle, 1_999), (.listening, 3_000), (idle, 4_000), (idle, 6_000)])
                == [false, false, false, false, true])
    }

    // Broken by: a guest without a bridge that is waited for, or told of twice.
    @Test func nothingToWaitFor() throws {
        var watch = PortWatch([])
        let news = [try watch.look(at: start), try watch.look(at: start)]
        #expect(news == [.forwarding, nil])
        #expect(!watch.isWaiting)
    }
}
