/// What a bridge does with the packets of a port (linux/if_bridge.h, `BR_STATE_DISABLED` and so on).
public enum PortState: UInt8, Hashable, Sendable, CaseIterable {
    /// Nothing: the port is down, or switched off by hand.
    case disabled = 0
    /// Nothing yet: the spanning tree listens for other bridges.
    case listening = 1
    /// Only the sender's address is taken: the port forwards in a while.
    case learning = 2
    /// All of them pass.
    case forwarding = 3
    /// Nothing: the spanning tree has found a loop.
    case blocking = 4

    /// The word that is shown.
    public var word: String {
        switch self {
        case .disabled: "disabled"
        case .listening: "listening"
        case .learning: "learning"
        case .forwarding: "forwarding"
        case .blocking: "blocking"
        }
    }
}

/// How soon after a move the destination's bridge knew where the guest is.
///
/// It knows once it has taken a packet of the guest, or of the hypervisor in its name, from the
/// guest's port. What lies beyond the bridge is not measured.
public struct NetworkReach: Hashable, Sendable {
    /// The bridge's name, on the destination.
    public var bridge: String
    /// The address of the guest's interface.
    public var mac: String
    /// From the guest's running to the bridge's knowing; `nil` when it did not within the time that
    /// is measured.
    public var after: Duration?
    /// What the bridge did with the port's packets in the end.
    public var state: PortState

    /// States a measurement.
    public init(bridge: String, mac: String, after: Duration?, state: PortState) {
        self.bridge = bridge
        self.mac = mac
        self.after = after
        self.state = state
    }

    /// For how long it is measured.
    public static let limit: Duration = .seconds(3)

    /// What the operator should know; `nil` where the guest is found.
    public var finding: Finding? {
        guard after == nil else { return nil }
        return Finding(
            .warning(.network),
            "bridge \(bridge) has not heard of \(mac) \(Self.limit.brief) after the guest ran; its "
                + "port is \(state.word)", at: "bridge \(bridge)",
            fix: "look at the port (bridge -d link show) and at the guest's own network")
    }
}
