/// A bridge of a host, as far as a guest's network depends on it.
public struct BridgeFacts: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// The largest packet that it takes, in bytes without the Ethernet header.
    public var mtu: UInt32
    /// Whether it is set up.
    public var isUp: Bool
    /// The VLAN that a new port is in, 0 for none; `nil` where the bridge knows no VLANs.
    public var vlan: UInt16?
    /// Whether a new port has to wait for the spanning tree.
    public var usesSpanningTree: Bool
    /// How long the spanning tree keeps a new port in each of the two states before it forwards.
    public var forwardDelay: Duration

    /// States facts.
    public init(
        name: String, mtu: UInt32, isUp: Bool = true, vlan: UInt16? = nil,
        usesSpanningTree: Bool = false, forwardDelay: Duration = .seconds(15)
    ) {
        self.name = name
        self.mtu = mtu
        self.isUp = isUp
        self.vlan = vlan
        self.usesSpanningTree = usesSpanningTree
        self.forwardDelay = forwardDelay
    }

    /// How long a new port waits until packets pass (IEEE 802.1D: listening, then learning).
    public var wait: Duration { usesSpanningTree ? forwardDelay * 2 : .zero }
}
