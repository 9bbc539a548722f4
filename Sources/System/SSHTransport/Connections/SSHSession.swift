import CLibSSH
import Glibc
import LinuxSystem
public import MigrationModel

/// An authenticated SSH connection to a host whose key is pinned.
///
/// A session and its channels belong to the thread that made them, for their whole life; use by
/// another thread ends the program (libssh allows one thread per session).
public struct SSHSession: ~Copyable {
    let handle: SessionHandle
    /// What the two sides agreed on.
    public let algorithms: SSHAlgorithms

    /// The most attempts that `retries` can ask for.
    public static let retryLimit = 3

    /// Connects, checks the host's key, and logs in.
    ///
    /// - Parameters:
    ///   - endpoint: where and as whom.
    ///   - profile: which ciphers to offer.
    ///   - retries: how often a refused or dropped connection is tried again, 0–3, after 0.5 s and
    ///     then 2 s each: sshd drops connections at random above `MaxStartups` (sshd_config(5)).
    ///     Nothing is tried again once a key was seen.
    /// - Throws: `E-CONNECT`, `E-CONNECT-DROPPED`, `E-ALGO`, `E-HOSTKEY-UNKNOWN`,
    ///   `E-HOSTKEY-CHANGED`, `E-FILE`, `E-KEYMODE`, `E-KEY` or `E-AUTH`.
    public init(
        connecting endpoint: SSHEndpoint, profile: SSHCipherProfile = .control, retries: Int = 0
    ) throws(LivemigError) {
        try self.init(
            connecting: endpoint, profile: profile, retries: retries, interrupt: nil, notice: nil)
    }

    /// Connects as above; a readable `interrupt` descriptor ends any wait with `E-CANCELLED`.
    init(
        connecting endpoint: SSHEndpoint, profile: SSHCipherProfile, retries: Int,
        interrupt: CInt?, notice: (@Sendable (String) -> Void)?,
        onConnected: (@Sendable () -> Void)? = nil
    ) throws(LivemigError) {
        var left = min(max(0, retries), Self.retryLimit)
        var pause = Duration.milliseconds(500)
        while true {
            do throws(TCPConnection.Failure) {
                let start = Handshake(
                    endpoint: endpoint, profile: profile, interrupt: interrupt, notice: notice,
                    onConnected: onConnected)
                handle = try start.run()
                break
            } catch {
                guard error.isPassing, left > 0 else { throw error.error }
                left -= 1
                try Self.sleep(pause, interrupt: interrupt, at: endpoint.name)
                pause = .seconds(2)
            }
        }
        algorithms = handle.algorithms
    }

    private static func sleep(
        _ pause: Duration, interrupt: CInt?, at place: String
    ) throws(LivemigError) {
        let interests = interrupt.map { [Poll.Interest($0)] } ?? []
        guard try Poll.wait(interests, timeout: pause).isEmpty else {
            throw LivemigError(.cancelled, "connection ended on request", at: place)
        }
    }

    /// Runs a command on the host.
    /// - Throws: `E-DISCONNECTED` when the connection broke, `E-STALL` when the host does not
    ///   answer.
    public func openExec(_ command: RemoteCommand) throws(LivemigError) -> SSHChannel {
        try SSHChannel(handle, .command(command))
    }
}

extension SessionHandle {
    /// What the key exchange agreed on.
    fileprivate var algorithms: SSHAlgorithms {
        SSHAlgorithms(
            keyExchange: unsafe string(ssh_get_kex_algo(pointer)),
            cipherToServer: unsafe string(ssh_get_cipher_out(pointer)),
            cipherFromServer: unsafe string(ssh_get_cipher_in(pointer)),
            hostKey: hostKey?.kind ?? "")
    }
}
