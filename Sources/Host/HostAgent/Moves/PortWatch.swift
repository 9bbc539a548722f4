import LinuxSystem
import MigrationModel
import QEMU
import WireProtocol

/// Watches, on a destination, whether the bridges let the guest in, until the source stops it.
///
/// With spanning tree a new port listens and learns before it forwards, for 30 s by default: a
/// guest that is resumed before that is cut off as long.
struct PortWatch {
    /// What the source is to know.
    enum News: Hashable, Sendable {
        /// Every port forwards.
        case forwarding
        /// Not every one does yet, or any more.
        case awaited(PortsAwaited)
    }

    private let ports: [(port: WatchedPort, limit: Duration)]
    private var patience: PortPatience?
    private var hasTold = false

    /// How often ports that are waited for are looked at.
    static let interval: Duration = .milliseconds(100)

    /// Watches ports, except those of a bridge that is down: nothing changes for a guest there.
    init(_ ports: [WatchedPort]) {
        self.ports = ports.compactMap { port in
            guard let facts = HostBridge(port.bridge).facts, facts.isUp else { return nil }
            return (port, PortPatience.limit(for: facts))
        }
    }

    /// Whether a port is waited for.
    var isWaiting: Bool { patience != nil }

    /// Looks at every port.
    /// - Returns: what has changed; the first look always tells.
    /// - Throws: `E-NET` when there is no point in waiting on.
    mutating func look(at now: MonotonicTime) throws(LivemigError) -> News? {
        let states = ports.map { $0.port.state ?? $0.port.reattached() }
        guard let index = states.firstIndex(where: { $0 != .forwarding }) else {
            defer { (patience, hasTold) = (nil, true) }
            return patience != nil || !hasTold ? .forwarding : nil
        }
        let (port, limit) = ports[index]
        let isNew = patience == nil
        var patience = patience ?? PortPatience(limit: limit, since: now)
        let isOver = patience.isOver(states[index], at: now)
        self.patience = patience
        guard !isOver else { throw Self.refusal(port, states[index], after: now - patience.since) }
        return isNew ? .awaited(PortsAwaited(bridge: port.bridge, limit: limit)) : nil
    }

    private static func refusal(
        _ port: WatchedPort, _ state: PortState?, after time: Duration
    ) -> LivemigError {
        let bridge = "bridge \(port.bridge)"
        guard let state else {
            return LivemigError(
                .network, "the guest's port \(port.name) is not on \(bridge) any more",
                fix: "find out what takes ports away there, and move again")
        }
        let advice =
            switch state {
            case .disabled: "set the bridge up, and see why its ports go down (ip -d link show)"
            default:
                "see what the spanning tree says (bridge -d link show); a bridge without loops "
                    + "needs none (ip link set \(port.bridge) type bridge stp_state 0)"
            }
        return LivemigError(
            .network,
            "\(bridge) would keep the guest off the network: after \(time.brief) its port "
                + "\(port.name) is \(state.word)", fix: advice + ", and move again")
    }
}

/// How long a port that does not forward is waited for.
struct PortPatience: Hashable, Sendable {
    /// The longest wait for a port that is on its way.
    let limit: Duration
    /// When it began.
    let since: MonotonicTime
    private var idleSince: MonotonicTime?

    /// How long a port may be disabled, or gone, which no timer of the kernel ends.
    static let idleLimit: Duration = .seconds(2)
    /// What a loaded host may take beyond its timers.
    static let margin: Duration = .seconds(10)

    /// How long a bridge's new port may take.
    static func limit(for bridge: BridgeFacts) -> Duration { bridge.wait + margin }

    init(limit: Duration, since: MonotonicTime) {
        self.limit = limit
        self.since = since
    }

    /// Takes a look at the port in, which does not forward.
    /// - Returns: whether there is no point in waiting on.
    mutating func isOver(_ state: PortState?, at now: MonotonicTime) -> Bool {
        if now - since >= limit { return true }
        guard state == nil || state == .disabled else {
            idleSince = nil
            return false
        }
        let start = idleSince ?? now
        idleSince = start
        return now - start >= Self.idleLimit
    }
}
