import Glibc
import HostPolicies
import Hypervisor
import LinuxSystem
import MigrationModel
import WireProtocol

/// A host's policy, and what it comes to now.
struct HostSettingsProbe: Sendable {
    let root: HostRoot

    /// Reads the policy and asks the system.
    /// - Throws: as `HostPolicyFile.load`.
    func settings() throws(LivemigError) -> HostSettings {
        let policy = try root.policy.load()
        let slots = MoveSlots(root: root)
        let incoming = try slots.guests(.incoming)
        return HostSettings(
            policy: policy, memoryReserve: policy.memoryReserve(of: HostFactsProbe.memory().total),
            outgoing: try slots.guests(.outgoing).count, incoming: incoming.count,
            promised: ByteCount(incoming.reduce(0) { $0 &+ $1.memory.bytes }),
            addresses: try InterfaceAddresses.usableByPeers())
    }

    /// Changes the policy.
    /// - Throws: as `HostPolicyFile.change`; `E-QEMU` for a user of hypervisors whom the host does
    ///   not have, `E-PERMISSION` where this agent cannot start programs as somebody else.
    func change(_ request: ChangePolicy) throws(LivemigError) -> HostSettings {
        if let name = request.policy.hypervisorUser, name != request.base.hypervisorUser {
            try HostPolicy.check(user: name)
            let user = try HypervisorUser(named: name)
            guard geteuid() == 0 || user.id == geteuid() else {
                throw LivemigError(
                    .permission, "only root can run hypervisors as another user", at: name,
                    fix: "let livemig reach this host as root, or leave the user unset")
            }
        }
        if let users = request.policy.hypervisorUsers, users != request.base.hypervisorUsers,
            geteuid() != 0
        {
            throw LivemigError(
                .permission, "only root can run hypervisors as other users", at: "\(users)",
                fix: "let livemig reach this host as root, or leave the users unset")
        }
        try root.policy.change(from: request.base, to: request.policy)
        return try settings()
    }
}
