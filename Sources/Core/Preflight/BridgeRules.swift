public import MigrationModel

/// What a guest's network would be on the destination, compared with what it is on the source.
public enum BridgeRules {
    /// Compares the bridges that a guest's interfaces are on.
    ///
    /// - Parameters:
    ///   - here: the source's bridges, one for each interface that is on one; `nil` where the host
    ///     does not have it.
    ///   - there: the destination's, in the same order.
    public static func findings(_ here: [BridgeFacts?], _ there: [BridgeFacts?]) -> [Finding] {
        var findings: [Finding] = []
        for case (let here?, let there?) in zip(here, there) {
            let found = [size(here, there), up(here, there), vlan(here, there), tree(there)]
            for finding in found {
                // Several interfaces may be on one bridge.
                guard let finding, !findings.contains(finding) else { continue }
                findings.append(finding)
            }
        }
        return findings
    }

    private static func size(_ here: BridgeFacts, _ there: BridgeFacts) -> Finding? {
        guard here.mtu != there.mtu else { return nil }
        let what =
            there.mtu < here.mtu
            ? "packets above \(there.mtu) bytes, which the guest may send, would be lost"
            : "packets above \(here.mtu) bytes may reach a guest that does not expect them"
        return Finding(
            .warning(.network), what, at: place(here, there), source: "MTU \(here.mtu)",
            destination: "MTU \(there.mtu)", fix: "give both bridges, and their ports, one MTU")
    }

    private static func up(_ here: BridgeFacts, _ there: BridgeFacts) -> Finding? {
        guard here.isUp, !there.isUp else { return nil }
        return Finding(
            .error(.network), "bridge \(there.name) is down: the guest would be cut off",
            source: "up", destination: "down",
            fix: "set it up there: ip link set \(there.name) up")
    }

    private static func vlan(_ here: BridgeFacts, _ there: BridgeFacts) -> Finding? {
        guard here.vlan != there.vlan else { return nil }
        return Finding(
            .warning(.network), "the guest would be in another VLAN", at: place(here, there),
            source: words(here.vlan), destination: words(there.vlan),
            fix: "give both bridges the same vlan_filtering and vlan_default_pvid")
    }

    private static func tree(_ there: BridgeFacts) -> Finding? {
        guard there.isUp, there.usesSpanningTree else { return nil }
        return Finding(
            .warning(.network),
            "the move waits \(there.wait.brief) for the spanning tree of bridge \(there.name), and "
                + "the guest runs on until then", at: "bridge \(there.name)",
            destination: "forward delay \(there.forwardDelay.brief)",
            fix: "allow for it in --timeout; a bridge without loops needs no spanning tree")
    }

    private static func words(_ vlan: UInt16?) -> String {
        switch vlan {
        case nil: "no VLAN filtering"
        case 0?: "in no VLAN"
        case let vlan?: "VLAN \(vlan)"
        }
    }

    private static func place(_ here: BridgeFacts, _ there: BridgeFacts) -> String {
        here.name == there.name ? "bridge \(here.name)" : "bridges \(here.name) and \(there.name)"
    }
}
