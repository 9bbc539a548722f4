import Glibc
import LinuxSystem
public import MigrationModel

/// What the key of a peer may run: a lane, and nothing else.
///
/// The key's line in authorized_keys forces `livemig-agent lane --peer NAME`; what the peer asked
/// for comes in a variable (sshd(8), "AUTHORIZED_KEYS FILE FORMAT") and is compared, never run.
public struct LaneGate: Sendable {
    private let root: HostRoot
    private let peer: String

    /// The one request that is admitted.
    static let request = "livemig-agent lane"
    /// How much of a request that is refused is shown, in bytes.
    static let requestLimit = 256

    /// The gate of a peer's key.
    public init(root: HostRoot, peer: String) {
        self.root = root
        self.peer = peer
    }

    /// What the peer asked sshd for; `nil` when it asked for a shell, or sshd is not involved.
    ///
    /// Read before the environment is left behind.
    public static var originalCommand: String? {
        unsafe getenv("SSH_ORIGINAL_COMMAND").map { unsafe String(cString: $0) }
    }

    /// The address of this host at which sshd took the connection (ssh(1), `SSH_CONNECTION`); `nil`
    /// when sshd is not involved.
    ///
    /// Read before the environment is left behind.
    public static var arrivalAddress: IPAddress? {
        guard let text = unsafe getenv("SSH_CONNECTION") else { return nil }
        let words = unsafe String(cString: text).split(separator: " ")
        return words.count == 4 ? IPAddress(String(words[2])) : nil
    }

    /// Insists on a request for a lane.
    /// - Throws: `E-GATE`; the refusal is one line of the host's log, too.
    public func admit(_ request: String?) throws(LivemigError) {
        guard request != Self.request else { return }
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
