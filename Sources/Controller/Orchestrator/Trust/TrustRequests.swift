import FrameTransport
import MigrationModel
import SSHTransport
import WireProtocol

extension AgentConnection {
    /// The longest wait for an agent that logs in elsewhere.
    private static let knockLimit = Duration.seconds(60)

    /// Asks for the agent's public keys, made when there are none.
    func keys() async throws(LivemigError) -> PublicKeyMessage {
        try await request(CreateKey(), for: PublicKeyMessage.self)
    }

    /// Lets the agent of a peer open lanes to this host.
    ///
    /// - Parameters:
    ///   - peer: its name.
    ///   - keys: its keys.
    ///   - addresses: where it may come from; anywhere when empty.
    ///   - isProvisional: whether that is undone at the end of the conversation unless it is kept.
    func authorize(
        _ peer: HostName, _ keys: PublicKeyMessage, addresses: [String], isProvisional: Bool
    ) async throws(LivemigError) {
        let message = AuthorizePeer(
            peer: peer, keys: keys.lines, former: keys.former, host: keys.host,
            addresses: addresses, file: host.authorizedKeys, agent: host.agent,
            usesSudo: host.become == .sudo, isProvisional: isProvisional)
        _ = try await request(message, for: DoneMessage.self)
    }

    /// Keeps what was authorized in this conversation, or undoes it.
    func settlePeers(keeping isKept: Bool) async throws(LivemigError) {
        _ = try await request(SettlePeers(keeping: isKept), for: DoneMessage.self)
    }

    /// Has this host's agent log in to a peer, as its lanes would.
    func knock(at peer: HostRecord) async throws(LivemigError) -> GateOpened {
        try await request(
            TryPeer(try StartOutgoing.Peer(peer)), for: GateOpened.self, within: Self.knockLimit)
    }

    /// Takes a peer's keys out.
    /// - Returns: the fingerprints of those that were there.
    func withdraw(
        _ peer: HostName, _ keys: PublicKeyMessage
    ) async throws(LivemigError) -> [String] {
        let message = WithdrawPeer(
            peer: peer, keys: keys.lines + keys.former, host: keys.host,
            file: host.authorizedKeys)
        return try await request(message, for: PeersWithdrawn.self).fingerprints
    }
}

extension HostRecord {
    /// What starts a host's agent for the controller.
    var serveCommand: RemoteCommand {
        get throws(LivemigError) {
            let words = [agent, "serve", "--root", root]
            guard become == .sudo else { return try RemoteCommand(words) }
            return try RemoteCommand(["sudo", "-n", "--"] + words + ["--login", user])
        }
    }

    /// What starts one end of a relayed lane.
    func laneCommand(_ more: [String] = []) throws(LivemigError) -> RemoteCommand {
        let become = become == .sudo ? ["--become", "sudo"] : []
        return try RemoteCommand([agent, "lane"] + become + ["--root", root] + more)
    }
}
