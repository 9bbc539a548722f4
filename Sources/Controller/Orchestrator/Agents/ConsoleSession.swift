import FrameTransport
public import MigrationModel
import WireProtocol

/// A VM's first serial port, connected to one of those who look at it.
public struct ConsoleSession: Sendable {
    /// What a console has to say.
    public enum Event: Hashable, Sendable {
        /// Bytes that the guest wrote.
        case output([UInt8])
        /// Nothing more comes.
        case ended(ConsoleEnding)
    }

    /// Whether what is typed reaches the guest.
    public let canType: Bool
    /// How many others look at the console.
    public let others: Int
    private let agent: AgentConnection

    /// Connects to the console of a VM; `end` ends the connection.
    /// - Throws: the agent's reason why there is no console; as `AgentDialer.open`.
    public init(
        _ name: VMName, on host: HostRecord, _ access: ConsoleAccess, _ dialer: AgentDialer
    ) async throws(LivemigError) {
        agent = try await dialer.open(host)
        do throws(LivemigError) {
            let opened = try await agent.request(
                AttachConsole(name: name, access: access), for: ConsoleOpened.self)
            canType = opened.canType
            others = Int(opened.others)
        } catch {
            await agent.close()
            throw error
        }
    }

    /// Takes what comes next.
    /// - Throws: the agent's reason why nothing more comes, and as `AgentConnection.receive`.
    public func next() async throws(LivemigError) -> Event {
        let frame = try await agent.receive()
        do {
            if frame.type == .consoleEnded {
                return .ended(try frame.decode(ConsoleEnded.self).ending)
            }
            return .output(try frame.decode(ConsoleOutput.self).bytes)
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
