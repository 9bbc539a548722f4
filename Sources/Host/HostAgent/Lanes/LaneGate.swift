import LinuxSystem
public import MigrationModel

/// What the key of a peer may run: a lane, and nothing else.
///
/// The key's line in authorized_keys forces `livemig-agent lane --peer NAME`; what the peer asked
/// for comes in a variable (sshd(8), "AUTHORIZED_KEYS FILE FORMAT") and is compared, never run.
public struct LaneGate: Sendable {
    private let root: HostRoot
    private let peer: String

    /// What a peer may want.
    public enum Purpose: String, Sendable {
        /// To open a lane.
        case lane = "livemig-agent lane"
        /// To learn that its key works here, and what it is known as.
        case knock = "livemig-agent knock"
    }

    /// How much of a request that is refused is shown, in bytes.
    static let requestLimit = 256

    /// The gate of a peer's key.
    public init(root: HostRoot, peer: String) {
        self.root = root
        self.peer = peer
    }

    /// Insists on a request for a lane, or a knock.
    /// - Throws: `E-GATE`; the refusal is one line of the host's log, too.
    public func admit(_ request: String?) throws(LivemigError) -> Purpose {
        if let purpose = request.flatMap(Purpose.init) { return purpose }
        let asked = request.map { Self.shown($0) } ?? "a shell"
        let refusal = LivemigError(
            .gate, "the key of \(peer.escaped()) opens lanes and nothing else",
            at: "asked for \(asked)")
        AgentLog(root: root).warn("\(refusal)", by: "lane")
        throw refusal
    }

    private static func shown(_ request: String) -> String {
        String(decoding: request.utf8.prefix(requestLimit), as: UTF8.self).escaped()
    }
}
