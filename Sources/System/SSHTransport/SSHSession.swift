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
    ///   - retries: how often a refused or dropped connection is tried again, 0–3, after 1 s and
    ///     then 2 s each: sshd drops connections at random above `MaxStartups` (sshd_config(5)).
    ///     Nothing is tried again once a key was seen.
    /// - Throws: `E-CONNECT`, `E-CONNECT-DROPPED`, `E-ALGO`, `E-HOSTKEY-UNKNOWN`,
    ///   `E-HOSTKEY-CHANGED`, `E-FILE`, `E-KEYMODE`, `E-KEY` or `E-AUTH`.
    public init(
        connecting endpoint: SSHEndpoint, profile: SSHCipherProfile = .control, retries: Int = 0
    ) throws(LivemigError) {
        try self.init(connecting: endpoint, profile: profile, retries: retries, interrupt: nil)
    }

    /// Connects as above; a readable `interrupt` descriptor ends any wait with `E-CANCELLED`.
    init(
        connecting endpoint: SSHEndpoint, profile: SSHCipherProfile, retries: Int, interrupt: CInt?,
        onConnected: (@Sendable () -> Void)? = nil
    ) throws(LivemigError) {
        var left = min(max(0, retries), Self.retryLimit)
        var pause = Duration.seconds(1)
        while true {
            do throws(TCPConnection.Failure) {
                let start = Handshake(
                    endpoint: endpoint, profile: profile, interrupt: interrupt,
                    deadline: .now + endpoint.connectTimeout, onConnected: onConnected)
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
        try SSHChannel(handle, command)
    }
}

/// Connecting, step by step, under one deadline.
struct Handshake {
    let endpoint: SSHEndpoint
    let profile: SSHCipherProfile
    let interrupt: CInt?
    let deadline: MonotonicTime
    var onConnected: (@Sendable () -> Void)?

    typealias Failure = TCPConnection.Failure

    func run() throws(Failure) -> SessionHandle {
        let key = try final { () throws(LivemigError) in try Identity(endpoint) }
        let options = try final { () throws(LivemigError) in
            try SessionOptions.make(endpoint, profile)
        }
        let socket = try TCPConnection(endpoint: endpoint, deadline: deadline).open()
        onConnected?()
        let handle: SessionHandle
        do throws(LivemigError) {
            handle = try SessionHandle(
                options, socket: socket, endpoint: endpoint, interrupt: interrupt)
        } catch {
            throw Failure(error: error, isPassing: false)
        }
        try exchangeKeys(handle)
        do throws(LivemigError) {
            try checkHostKey(handle)
            try key.authenticate(handle, until: deadline)
            try handle.startEvents()
        } catch {
            throw Failure(error: error, isPassing: false)
        }
        return handle
    }

    private func final<Value: ~Copyable>(
        _ body: () throws(LivemigError) -> Value
    ) throws(Failure) -> Value {
        do throws(LivemigError) {
            return try body()
        } catch {
            throw Failure(error: error, isPassing: false)
        }
    }

    private func exchangeKeys(_ handle: SessionHandle) throws(Failure) {
        let result = try final { () throws(LivemigError) in
            try handle.complete(deadline, again: SSH_AGAIN) {
                unsafe ssh_connect(handle.pointer)
            }
        }
        if result == SSH_OK { return }
        guard result != nil else {
            let error = LivemigError(
                .connect,
                "\(endpoint.socketAddress) accepts connections but did not complete the SSH "
                    + "key exchange within \(endpoint.connectTimeout.brief)",
                at: endpoint.name, fix: "check sshd on the host")
            throw Failure(error: error, isPassing: false)
        }
        let reason = handle.reason
        if reason.contains("no match for method") {
            let error = LivemigError(
                .algorithm, "no algorithm in common with \(endpoint.socketAddress): \(reason)",
                at: endpoint.name, fix: "update OpenSSH there, or allow one of those offered")
            throw Failure(error: error, isPassing: false)
        }
        let error = LivemigError(
            .connectDropped,
            "\(endpoint.socketAddress) dropped the connection before login: \(reason)",
            at: endpoint.name,
            fix: "check that it is an SSH server, and raise MaxStartups in its sshd_config")
        throw Failure(error: error, isPassing: true)
    }

    /// Compares the key the server has proved to hold with the pinned ones.
    private func checkHostKey(_ handle: SessionHandle) throws(LivemigError) {
        var pointer: ssh_key?
        guard unsafe ssh_get_server_publickey(handle.pointer, &pointer) == SSH_OK,
            let pointer = unsafe pointer
        else { throw LivemigError(.connectDropped, "no host key received", at: endpoint.place) }
        let key = unsafe SSHKey(owning: pointer)
        guard let offered = key.fingerprint else {
            throw LivemigError(.internal, "libssh cannot hash the host key", at: endpoint.place)
        }
        guard !endpoint.hostKeys.isEmpty else {
            throw LivemigError(
                .hostKeyUnknown,
                "no host key is pinned for \(endpoint.name); it offers \(key.kind) \(offered)",
                at: endpoint.place,
                fix: "compare it with ssh-keygen -lf on the host itself, then run livemig host add "
                    + "\(endpoint.name) --address \(endpoint.address) --host-key \(offered)")
        }
        guard endpoint.hostKeys.contains(offered) else {
            throw LivemigError(
                .hostKeyChanged,
                "possible attack: the host key is \(key.kind) \(offered), pinned is "
                    + endpoint.hostKeys.joined(separator: ", ") + "; nothing was started",
                at: endpoint.place,
                fix: "find out why; if the host has a new key, pin it with livemig host add")
        }
    }
}

extension SessionHandle {
    /// What the key exchange agreed on.
    fileprivate var algorithms: SSHAlgorithms {
        SSHAlgorithms(
            keyExchange: unsafe string(ssh_get_kex_algo(pointer)),
            cipherToServer: unsafe string(ssh_get_cipher_out(pointer)),
            cipherFromServer: unsafe string(ssh_get_cipher_in(pointer)))
    }
}
