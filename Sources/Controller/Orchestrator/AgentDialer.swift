import Inventory
import LinuxSystem
public import MigrationModel
import SSHTransport

/// Opens conversations with agents.
public struct AgentDialer: Sendable {
    private let home: String
    private let onErrorLine: (@Sendable (HostName, String) -> Void)?
    private let contacts: HostContacts

    /// States how hosts are reached.
    /// - Parameters:
    ///   - home: the home folder that `~/` in identities stands for.
    ///   - onErrorLine: called on threads of its own with each line, escaped, that an agent writes
    ///     to its standard error.
    ///   - onWaiting: called, at most once for each host, when one has not answered for a second.
    public init(
        home: String, onErrorLine: (@Sendable (HostName, String) -> Void)? = nil,
        onWaiting: (@Sendable (HostRecord) -> Void)? = nil
    ) {
        self.home = home
        self.onErrorLine = onErrorLine
        contacts = HostContacts(tell: onWaiting)
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
            onConnected: onConnected)
    }

    func endpoint(_ host: HostRecord) -> SSHEndpoint {
        var endpoint = SSHEndpoint(host)
        endpoint.identity = host.identityPath(home: home)
        return endpoint
    }

    func logger(_ host: HostRecord) -> (@Sendable (String) -> Void)? {
        guard let onErrorLine else { return nil }
        let name = host.name
        return { line in onErrorLine(name, line) }
    }
}
