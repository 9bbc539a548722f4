import Glibc
import Inventory
import LinuxSystem
public import MigrationModel
import SSHTransport

/// Opens conversations with agents.
public struct AgentDialer: Sendable {
    private let home: String
    private let asksPassphrase: Bool
    private let onErrorLine: (@Sendable (HostName, String) -> Void)?
    private let contacts: HostContacts
    private let onNotice: (@Sendable (HostName, String) -> Void)?

    /// States how hosts are reached.
    /// - Parameters:
    ///   - home: the home folder that `~/` in identities stands for.
    ///   - asksPassphrase: whether passphrases of keys may be asked for on the terminal.
    ///   - onErrorLine: called on threads of its own with each line, escaped, that an agent writes
    ///     to its standard error.
    ///   - onNotice: called on threads of its own with what was passed over at a login.
    ///   - onWaiting: called, at most once for each host, when one has not answered for a second.
    public init(
        home: String, asksPassphrase: Bool = false,
        onErrorLine: (@Sendable (HostName, String) -> Void)? = nil,
        onNotice: (@Sendable (HostName, String) -> Void)? = nil,
        onWaiting: (@Sendable (HostRecord) -> Void)? = nil
    ) {
        self.home = home
        self.asksPassphrase = asksPassphrase
        self.onErrorLine = onErrorLine
        contacts = HostContacts(tell: onWaiting)
        self.onNotice = onNotice
    }

    /// Connects to a host and waits for its agent's greeting.
    ///
    /// Cancelling the task ends the attempt. A host that could not be reached through this value is
    /// not tried again for a minute: the same error is thrown.
    /// - Parameter retries: how often a connection that is refused or dropped is tried again, 0–3.
    /// - Throws: as `SSHSession`; `E-NOAGENT`, `E-HELLO`, `E-VERSION`, `E-DISCONNECTED`, `E-STALL`.
    public func open(
        _ host: HostRecord, retries: Int = 1
    ) async throws(LivemigError) -> AgentConnection {
        try await contacts.open(host) { isUp async throws(LivemigError) in
            try await connect(host, retries: retries, isUp)
        }
    }

    private func connect(
        _ host: HostRecord, retries: Int, _ onConnected: @escaping @Sendable () -> Void
    ) async throws(LivemigError) -> AgentConnection {
        let command = try host.serveCommand
        let pump = try pump(host, command, retries: retries, onConnected: onConnected)
        let result = await withTaskCancellationHandler {
            () async -> Result<AgentConnection, LivemigError> in
            do throws(LivemigError) {
                let end = try await BlockingWork.run("ssh-connect") {
                    () throws(LivemigError) in try pump.connect().release()
                }
                let connection = try AgentConnection(host, pump, end: end)
                try await connection.hello()
                return .success(connection)
            } catch {
                return .failure(error)
            }
        } onCancel: {
            pump.stop()
        }
        return try result.get()
    }

    /// Starts a command on a host, connected to a new socket pair.
    func pump(
        _ host: HostRecord, _ command: RemoteCommand, retries: Int,
        onConnected: (@Sendable () -> Void)? = nil
    ) throws(LivemigError) -> SSHPump {
        try SSHPump(
            to: endpoint(host), running: command, retries: retries, onErrorLine: logger(host),
            onNotice: notice(host), onConnected: onConnected)
    }

    /// Asks a host for all of its keys, without logging in; none is trusted by that.
    /// - Throws: as `SSHHostKey.offered`.
    public func hostKeys(
        of host: HostRecord
    ) async throws(LivemigError) -> [(kind: String, fingerprint: String)] {
        let endpoint = try endpoint(host)
        return try await BlockingWork.run("host-keys") { () throws(LivemigError) in
            try SSHHostKey.offered(by: endpoint).map { ($0.kind, $0.fingerprint) }
        }
    }

    /// Where a host is, and what to log in with.
    /// - Throws: what stands in the way of reaching it.
    func endpoint(_ host: HostRecord) throws(LivemigError) -> SSHEndpoint {
        if let obstacle = host.access.obstacle { throw obstacle }
        let timeouts = host.timeouts
        var endpoint = SSHEndpoint(
            name: host.name.text, address: host.address, port: host.port, user: host.user,
            identity: host.identityPath(home: home), hostKeys: host.hostKeys,
            bindAddress: host.access.bindAddress, connectTimeout: timeouts.connect,
            loginTimeout: timeouts.login, answerTimeout: timeouts.answer)
        endpoint.identities = host.access.identities
        endpoint.certificates = host.access.certificates
        endpoint.identitiesOnly = host.access.identitiesOnly
        endpoint.agentSocket = host.access.agentSocket
        endpoint.asksPassphrase = asksPassphrase
        endpoint.revokedHostKeys = host.access.revokedKeys
        endpoint.family = host.access.ipVersion.map { $0 == 6 ? AF_INET6 : AF_INET }
        endpoint.isListed = host.access.isListed
        endpoint.jumps = try host.access.jumps.map { hop throws(LivemigError) in
            try self.endpoint(hop)
        }
        return endpoint
    }

    func notice(_ host: HostRecord) -> (@Sendable (String) -> Void)? {
        guard let onNotice else { return nil }
        let name = host.name
        return { text in onNotice(name, text) }
    }

    func logger(_ host: HostRecord) -> (@Sendable (String) -> Void)? {
        guard let onErrorLine else { return nil }
        let name = host.name
        return { line in onErrorLine(name, line) }
    }
}
