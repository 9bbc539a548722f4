import GuestFiles
import HostPolicies
import Hypervisor
import MigrationModel

extension HostRoot {
    /// What this host's settings say of files that definitions name.
    /// - Throws: as `HostPolicyFile.load`, and `E-QEMU` for a user whom the host does not have.
    func fileRules() throws(LivemigError) -> GuestFileRules {
        let policy = try policy.load()
        let user: HypervisorUser? =
            if let name = policy.hypervisorUser { try HypervisorUser(named: name) } else { nil }
        return GuestFileRules(policy.folders, root: path, user: user)
    }
}
