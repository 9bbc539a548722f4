import MigrationModel
import Preflight
import Testing

@Suite("Bridges of a move")
struct BridgeRulesTests {
    private let plain = BridgeFacts(name: "br0", mtu: 1500)

    // Broken by: bridges that differ in what a guest depends on, and pass for alike.
    @Test(
        "bridges that differ",
        arguments: [
            (9000, 1500, "packets above 1500 bytes, which the guest may send, would be lost"),
            (1500, 9000, "packets above 1500 bytes may reach a guest that does not expect them"),
        ] as [(UInt32, UInt32, String)])
    func sizes(here: UInt32, there: UInt32, words: String) {
        let findings = BridgeRules.findings(
            [BridgeFacts(name: "br0", mtu: here)], [BridgeFacts(name: "br1", mtu: there)])
        #expect(findings.map(\.id) == ["W-NETWORK"])
        #expect(findings.first?.message == words)
        #expect(findings.first?.place == "bridges br0 and br1")
        #expect(findings.first?.source == "MTU \(here)")
    }

    // Broken by: a guest that is moved to where nothing reaches it.
    @Test func downIsAnError() {
        var down = plain
        down.isUp = false
        #expect(BridgeRules.findings([plain], [down]).map(\.id) == ["E-NET"])
        #expect(BridgeRules.findings([down], [down]).isEmpty)
    }

    // Broken by: a port's VLAN that is not compared.
    @Test func vlans() {
        var seven = plain
        seven.vlan = 7
        var none = plain
        none.vlan = 0
        for other in [plain, none] {
            let findings = BridgeRules.findings([seven], [other])
            #expect(findings.map(\.id) == ["W-NETWORK"])
            #expect(findings.first?.source == "VLAN 7")
        }
    }

    // Broken by: a wait that nobody is told of before, or one that is announced where there is none.
    @Test func spanningTree() {
        var tree = plain
        (tree.usesSpanningTree, tree.forwardDelay) = (true, .seconds(15))
        let findings = BridgeRules.findings([plain], [tree])
        #expect(findings.map(\.id) == ["W-NETWORK"])
        #expect(findings.first?.message.hasPrefix("the move waits 30.0 s") == true)
        #expect(BridgeRules.findings([tree], [plain]).isEmpty)
        tree.isUp = false
        #expect(BridgeRules.findings([tree], [tree]).isEmpty)
    }

    // Broken by: findings about bridges that are alike or not there, or one finding twice.
    @Test func nothingElse() {
        let large = BridgeFacts(name: "br0", mtu: 9000)
        #expect(BridgeRules.findings([plain, nil, plain], [plain, plain, nil]).isEmpty)
        #expect(BridgeRules.findings([], [plain]).isEmpty)
        #expect(BridgeRules.findings([large, large], [plain, plain]).count == 1)
    }
}
