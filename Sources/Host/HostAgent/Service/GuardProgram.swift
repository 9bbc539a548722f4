import Glibc
public import Guardian
import Hypervisor
import LinuxSystem
public import MigrationModel
import VMDefinitions
import WireProtocol

/// `livemig-agent guard`: the guardian of one VM, as a program.
public enum GuardProgram {
    /// Where a guardian finds the agent that started it.
    public enum Starter: Hashable, Sendable {
        /// At the descriptor beside the standard ones.
        case inherited
        /// Where it listens; an agent that listens no more has started an earlier guardian.
        case listening(String)

        /// How many descriptors the guardian is started with.
        public var inheritedDescriptors: CInt {
            switch self {
            case .inherited: GuardianStarter.starterDescriptor + 1
            case .listening: GuardianStarter.starterDescriptor
            }
        }

        /// The connection; `nil` for a guardian that was started again, by a service manager.
        func connect() -> OwnedDescriptor? {
            switch self {
            case .inherited: OwnedDescriptor(owning: GuardianStarter.starterDescriptor)
            case .listening(let door): try? UnixSocket.connect(door, .packets)
            }
        }
    }

    /// Guards a VM until it has gone from this host.
    ///
    /// - Parameters:
    ///   - environment: the host.
    ///   - name: the VM, whose definition is in its folder.
    ///   - role: how the VM comes to this host, given what the starter says of a move where it is
    ///     asked; a guardian that was started again takes its guest over whatever it says.
    ///   - isIncoming: whether the starter says which move the guest comes by.
    ///   - starter: the agent that started it.
    public static func run(
        _ environment: AgentEnvironment, _ name: VMName, _ role: Guardian.Role, isIncoming: Bool,
        _ starter: Starter
    ) throws(LivemigError) {
        guard let connection = starter.connect() else {
            let nobody = try UnixSocket.pair(.packets).release()
            _ = close(nobody.second)
            return try run(
                environment, name, .adopt(keepStill: false), OwnedDescriptor(owning: nobody.first))
        }
        guard isIncoming else { return try run(environment, name, role, connection) }
        let order = try IncomingOrder(try Packet.receive(from: connection.number).bytes)
        try run(environment, name, .incoming(order.attempt, peer: order.peer), connection)
    }

    private static func run(
        _ environment: AgentEnvironment, _ name: VMName, _ role: Guardian.Role,
        _ starter: consuming OwnedDescriptor
    ) throws(LivemigError) {
        let report = try starter.duplicate()
        let folder = environment.root.machine(name)
        let guardian: Guardian
        do throws(LivemigError) {
            let definition = try VMDefinitionDocument.read(
                path: folder.definition, generatedUUID: .random(), isOwn: true)
            guardian = try Guardian(
                Guardian.Assignment(
                    definition: definition, folder: folder,
                    launcher: try environment.launcher(for: definition.kind), role: role),
                starter: starter)
        } catch {
            try? GuardianChannel.send(FailureMessage(error), to: report.number)
            throw error
        }
        _ = consume report
        try guardian.run()
    }
}
