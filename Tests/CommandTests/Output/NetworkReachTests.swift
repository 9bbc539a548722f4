import MigrationModel
import Testing
import WireProtocol

@testable import Commands
@testable import Orchestrator

@Suite("What a move says of the guest's network")
struct NetworkReachTests {
    private func outcome(_ reach: [NetworkReach]) throws -> MoveOutcome {
        var report = report()
        report.reach = reach
        return MoveOutcome(
            vm: VMReference(name: try VMName("web1")), source: try HostName("alpha"),
            destination: try HostName("beta"), total: .seconds(3),
            ending: .moved(report, incomplete: nil))
    }

    private let found = NetworkReach(
        bridge: "br0", mac: "52:54:00:00:00:01", after: .milliseconds(12), state: .forwarding)
    private let lost = NetworkReach(
        bridge: "br1\u{1B}", mac: "52:54:00:00:00:02", after: nil, state: .learning)

    // Broken by: a guest that the network has not found, and a move that says nothing of it or
    // fails; words of a host that reach the terminal as they are.
    @Test func text() throws {
        let outcome = try outcome([found, lost])
        let lines = MoveText.result(outcome)
        #expect(lines.count == 4 && outcome.exitCode == .success, "\(lines)")
        #expect(lines[1] == "beta:  network   bridge br0 learnt 52:54:00:00:00:01 after 12 ms")
        #expect(lines[2].hasSuffix("52:54:00:00:00:02 in 3.0 s, its port is learning"))
        #expect(!lines[2].contains("\u{1B}"))
        #expect(found.finding == nil)
        #expect(lost.finding?.id == "W-NETWORK")
    }

    // Broken by: a field that scripts rely on is renamed, or there where nothing was measured.
    @Test func json() throws {
        let line = JSONText.line(ResultEvent(try outcome([found, lost])))
        #expect(
            line.contains(
                #""network":[{"bridge":"br0","learnt_ms":12,"mac":"52:54:00:00:00:01","#
                    + #""port":"forwarding"},"#), "\(line)")
        #expect(line.contains(#""port":"learning""#), "\(line)")
        #expect(!JSONText.line(ResultEvent(try outcome([]))).contains("network"))
    }

    // Broken by: a wait of half a minute that is not shown.
    @Test func phase() throws {
        var text = MoveText()
        let lines = text.lines(.phase(.waiting), at: .zero)
        #expect("\(lines)".contains("the guest runs"), "\(lines)")
    }
}
