import CLibSSH
import Glibc
import LinuxSystem
public import MigrationModel
import Synchronization

/// Connecting, step by step.
///
/// A host has several keys, and pins do not tell their kinds: where the key that was agreed on is
/// not pinned, the others are asked for, one connection each, before the key counts as changed.
struct Handshake {
    let endpoint: SSHEndpoint
    let profile: SSHCipherProfile
    let interrupt: CInt?
    var notice: (@Sendable (String) -> Void)?
    var onConnected: (@Sendable () -> Void)?

    typealias Failure = TCPConnection.Failure

    /// The kind of key by which hosts were recognised, by address: lanes need not search again.
    private static let recognised = Mutex<[String: HostKeyKind]>([:])

    /// Connects, finds a pinned key, and logs in.
    func run() throws(Failure) -> SessionHandle {
        var identity = try final { () throws(LivemigError) in
            try Identity(endpoint, notice: notice)
        }
        var search = KindSearch(preferring: Self.recognised.withLock { $0[place] })
        while true {
            guard let (handle, key, deadline) = try exchange(&search) else {
                throw Failure(error: changed(search.seen), isPassing: false)
            }
            do throws(LivemigError) {
                guard try isPinned(key) else { continue }
                try identity.authenticate(handle, until: deadline)
                try handle.startEvents()
            } catch {
                throw Failure(error: error, isPassing: false)
            }
            if let kind = HostKeyKind(keyType: key.kind) {
                Self.recognised.withLock { $0[place] = kind }
            }
            return handle
        }
    }

    /// Takes every host key that the host has to offer, without logging in.
    func hostKeys() throws(Failure) -> [SSHHostKey] {
        var search = KindSearch(preferring: nil)
        while try exchange(&search) != nil {}
        return search.seen
    }

    private var place: String {
        (endpoint.jumps.map(\.socketAddress) + [endpoint.socketAddress]).joined(separator: ",")
    }

    /// Connects and exchanges keys, with a kind of host key that was not seen yet.
    /// - Returns: `nil` when the host has no further kind.
    private func exchange(
        _ search: inout KindSearch
    ) throws(Failure) -> (SessionHandle, SSHHostKey, MonotonicTime)? {
        guard !search.kinds.isEmpty else { return nil }
        let options = try final { () throws(LivemigError) in
            try SessionOptions.make(endpoint, profile, search.kinds)
        }
        let carrier = try carrier()
        let socket = try connect(carrier)
        onConnected?()
        let deadline = MonotonicTime.now + endpoint.loginTimeout
        let handle: SessionHandle
        do throws(LivemigError) {
            handle = try SessionHandle(
                options, socket: socket, endpoint: endpoint, carrier: carrier,
                interrupt: interrupt)
        } catch {
            throw Failure(error: error, isPassing: false)
        }
        do throws(Failure) {
            try exchangeKeys(handle, deadline)
        } catch {
            // Either side may be the first to notice that no kind is left. A connection that sshd
            // drops for its number of connections has no greeting.
            let isGreeted = unsafe ssh_get_serverbanner(handle.pointer) != nil
            let code = error.error.code
            let isRefused = code == .algorithm || code == .connectDropped && isGreeted
            if isRefused, !search.seen.isEmpty { return nil }
            throw error
        }
        guard let key = handle.hostKey else {
            let error = LivemigError(.connectDropped, "no host key received", at: endpoint.place)
            throw Failure(error: error, isPassing: false)
        }
        search.note(key)
        return (handle, key, deadline)
    }

    // MARK: The connection

    /// The way through other hosts, if there is one.
    private func carrier() throws(Failure) -> SSHPump? {
        guard var last = endpoint.jumps.last else { return nil }
        last.jumps = Array(endpoint.jumps.dropLast())
        do throws(LivemigError) {
            let pump = try SSHPump(
                through: last, to: endpoint.address, port: endpoint.port, onNotice: notice)
            try pump.waitUntilRunning(unless: interrupt)
            return pump
        } catch {
            var error = error
            if error.code != .cancelled {
                error.place = "\(endpoint.name) through \(error.place)"
            }
            throw Failure(error: error, isPassing: false)
        }
    }

    private func connect(_ carrier: SSHPump?) throws(Failure) -> OwnedDescriptor {
        guard let carrier else {
            return try TCPConnection(
                endpoint: endpoint, deadline: .now + endpoint.connectTimeout, interrupt: interrupt
            ).open()
        }
        return try final { () throws(LivemigError) in
            let end = try carrier.connect()
            let number = end.number
            let flags = try SystemCall.check("fcntl") { fcntl(number, F_GETFL) }
            try SystemCall.check("fcntl") { fcntl(number, F_SETFL, flags | O_NONBLOCK) }
            return end
        }
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

    private func exchangeKeys(
        _ handle: SessionHandle, _ deadline: MonotonicTime
    ) throws(Failure) {
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
                    + "key exchange within \(endpoint.loginTimeout.brief)",
                at: endpoint.name,
                fix:
                    "raise the host's loginTimeout if it is overloaded; else see the log of sshd there"
            )
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

    // MARK: The host's key

    /// Compares the key the server has proved to hold with the pinned ones.
    private func isPinned(_ key: SSHHostKey) throws(LivemigError) -> Bool {
        guard !endpoint.revokedHostKeys.contains(key.fingerprint) else {
            throw LivemigError(
                .hostKeyChanged,
                "possible attack: the host key \(key) is revoked in known_hosts; nothing was "
                    + "started",
                at: endpoint.place, fix: "find out why the key was revoked")
        }
        guard !endpoint.hostKeys.isEmpty else {
            throw LivemigError(
                .hostKeyUnknown, "no host key is pinned for \(endpoint.name); it offers \(key)",
                at: endpoint.place,
                fix: "compare it with ssh-keygen -lf on the host itself, then "
                    + (endpoint.isListed
                        ? "run livemig host pin \(endpoint.name) --host-key \(key.fingerprint)"
                        : "log in there once with ssh, which adds it to known_hosts"))
        }
        return endpoint.hostKeys.contains(key.fingerprint)
    }

    private func changed(_ seen: [SSHHostKey]) -> LivemigError {
        let offered = seen.map(\.description).joined(separator: ", ")
        return LivemigError(
            .hostKeyChanged,
            "possible attack: the host key is \(offered), pinned is "
                + endpoint.hostKeys.joined(separator: ", ") + "; nothing was started",
            at: endpoint.place,
            fix: endpoint.isListed
                ? "find out why; if the host has a new key, livemig host pin \(endpoint.name) "
                    + "shows it and asks"
                : "find out why; if the host has a new key, change it in known_hosts")
    }
}

/// A key by which a host can be recognised.
public struct SSHHostKey: Hashable, Sendable, CustomStringConvertible {
    /// Its kind, such as `ssh-ed25519`.
    public let kind: String
    /// `SHA256:` and 43 characters of base64.
    public let fingerprint: String

    /// Kind and fingerprint.
    public var description: String { "\(kind) \(fingerprint)" }

    /// Asks a host for all of its keys; each is proved to be held, none is trusted by that.
    ///
    /// Takes a connection for each key. Blocks.
    /// - Throws: as `SSHSession`, as far as the key exchange.
    public static func offered(by endpoint: SSHEndpoint) throws(LivemigError) -> [SSHHostKey] {
        let handshake = Handshake(endpoint: endpoint, profile: .control, interrupt: nil)
        do throws(TCPConnection.Failure) {
            return try handshake.hostKeys()
        } catch {
            throw error.error
        }
    }
}

/// Which kinds of host keys are still to be asked for.
private struct KindSearch {
    private(set) var kinds: [HostKeyKind]
    private(set) var seen: [SSHHostKey] = []

    init(preferring first: HostKeyKind?) {
        kinds = HostKeyKind.allCases
        if let first {
            kinds.removeAll { $0 == first }
            kinds.insert(first, at: 0)
        }
    }

    mutating func note(_ key: SSHHostKey) {
        seen.append(key)
        guard let kind = HostKeyKind(keyType: key.kind), kinds.contains(kind) else {
            kinds = []
            return
        }
        kinds.removeAll { $0 == kind }
    }
}

extension SessionHandle {
    /// The key that the server has proved to hold.
    var hostKey: SSHHostKey? {
        var pointer: ssh_key?
        guard unsafe ssh_get_server_publickey(self.pointer, &pointer) == SSH_OK,
            let pointer = unsafe pointer
        else { return nil }
        let key = unsafe SSHKey(owning: pointer)
        return key.fingerprint.map { SSHHostKey(kind: key.kind, fingerprint: $0) }
    }
}
