public import Guardian
import Hypervisor
import LinuxSystem
public import MigrationModel
import VMDefinitions
import WireProtocol

/// `livemig-agent guard`: the guardian of one VM, as a program.
public enum GuardProgram {
    /// How many descriptors a guardian is started with: the standard ones and its starter's.
    public static let inheritedDescriptors = GuardianStarter.starterDescriptor + 1

    /// Guards a VM until it has gone from this host.
    ///
    /// - Parameters:
    ///   - environment: the host.
    ///   - name: the VM, whose definition is in its folder.
    ///   - role: how the VM comes to this host.
    public static func run(
        _ environment: AgentEnvironment, _ name: VMName, _ role: Guardian.Role
    ) throws(LivemigError) {
        let starter = OwnedDescriptor(owning: GuardianStarter.starterDescriptor)
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
