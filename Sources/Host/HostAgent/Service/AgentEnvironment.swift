import Glibc
import GuestFiles
import GuestMemory
import HostPolicies
public import Hypervisor
import LinuxSystem
public import MigrationModel
import QEMU
import SyntheticVM
import SystemPackage

#if CrashPoints
import CrashPoints
#endif

/// What every part of an agent works with: its root, its own program, and the hypervisors.
public struct AgentEnvironment: Sendable {
    /// The host's folder.
    public let root: HostRoot
    /// The agent's own program file.
    public let program: String
    /// The library that is loaded into hypervisors.
    let library: String
    let qemu: QEMULauncher

    /// Finds the parts that belong to the running agent.
    /// - Throws: `E-PRELOAD` when the library is missing.
    public init(root: HostRoot) throws(LivemigError) {
        #if CrashPoints
        CrashPointFiles.watch(root.path)
        #endif
        self.root = root
        program = try RunningProgram.path()
        library = try PreloadLibrary.locate(besides: program)
        // Read when a guest is started: a policy that cannot be read keeps no guest from being
        // taken over.
        let (policy, host) = (root.policy, root)
        qemu = QEMULauncher(
            preloadLibrary: library, files: { () throws(LivemigError) in try host.fileRules() },
            user: { (folder) throws(LivemigError) in
                let policy = try policy.load()
                if let range = policy.hypervisorUsers {
                    return try HypervisorUserPool(machines: root.machines, range: range)
                        .user(for: folder)
                }
                guard let name = policy.hypervisorUser else { return nil }
                return try HypervisorUser(named: name)
            }, rules: { () throws(LivemigError) in LaunchRules(try policy.load()) })
    }

    /// What starts a VM of a kind.
    /// - Throws: `E-QEMU` when the reference guest is asked for and not installed.
    public func launcher(
        for kind: VMDefinition.Kind
    ) throws(LivemigError) -> any MachineLauncher {
        switch kind {
        case .kvm, .qemu: qemu
        case .synthetic:
            SyntheticLauncher(
                program: try SyntheticLauncher.locate(besides: program), library: library)
        }
    }

    /// The definition as it is run here, with nothing left for another host to read differently.
    func pinned(_ definition: VMDefinition) throws(LivemigError) -> VMDefinition {
        definition.kind == .synthetic ? definition : try qemu.pinned(definition)
    }

    /// Insists that this host's hypervisor would start with a definition.
    /// - Throws: `E-QEMU` with the hypervisor's words, `E-MACHINE` for an unknown machine type.
    func rehearse(_ definition: VMDefinition) throws(LivemigError) {
        guard definition.kind != .synthetic else { return }
        // Where each VM has a user of its own, the number is kept in the VM's folder.
        let folder = root.machine(definition.name)
        let isNew = unsafe access(folder.path, F_OK) != 0
        try HostRoot.makeFolder(folder.path)
        defer {
            if isNew {
                _ = unsafe unlink(folder.hypervisorUser)
                _ = unsafe rmdir(folder.path)
            }
        }
        try qemu.rehearse(definition, in: folder)
    }

    /// Insists that this host's hypervisor can run a definition.
    /// - Throws: `E-QEMU` without a hypervisor or KVM, `E-MACHINE` for an unknown machine type.
    func requireHypervisor(of definition: VMDefinition) throws(LivemigError) {
        guard definition.kind != .synthetic else {
            _ = try SyntheticLauncher.locate(besides: program)
            return
        }
        try qemu.requireSupport(of: definition)
    }

    /// The version of this host's QEMU.
    func qemuVersion() throws(LivemigError) -> String {
        try qemu.version(
            for: VMDefinition(
                name: try VMName("probe"), uuid: VMUUID(.zero), kind: .qemu,
                memory: .mebibytes(1)))
    }
}
