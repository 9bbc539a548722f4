import HostPolicies
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
    /// - Throws: as `HostPolicyFile.change`.
    func change(_ request: ChangePolicy) throws(LivemigError) -> HostSettings {
        try root.policy.change(from: request.base, to: request.policy)
        return try settings()
    }
}
