import FrameTransport
public import MigrationModel
import WireProtocol

/// A VM's first serial port, connected to whoever uses it.
public struct ConsoleSession: Sendable {
    private let agent: AgentConnection

    /// Connects to the console of a VM; `end` ends the connection.
    /// - Throws: as `AgentDialer.open`.
    public init(
        _ name: VMName, on host: HostRecord, _ dialer: AgentDialer
    ) async throws(LivemigError) {
        agent = try await dialer.open(host)
        agent.send(AttachConsole(name: name))
    }

    /// Takes what the guest wrote next; `nil` when it will write nothing more.
    /// - Throws: the agent's reason why there is no console, and as `AgentConnection.receive`.
    public func output() async throws(LivemigError) -> [UInt8]? {
        let frame = try await agent.receive()
        if frame.type == .done { return nil }
        do {
            return try frame.decode(ConsoleOutput.self).bytes
        } catch {
            throw error.named(agent.host.name)
        }
    }

    /// Types bytes at the guest.
    ///
    /// Blocks while the host takes less than is typed: not for tasks.
    /// - Parameter bytes: at most 64 KiB.
    public func type(_ bytes: [UInt8]) {
        agent.waitForRoom()
        agent.send(ConsoleInput(bytes: bytes))
    }

    /// Ends the connection.
    public func end() async { await agent.close() }
}
