public import MigrationModel

/// What a host allows a QEMU that it starts.
public struct LaunchRules: Hashable, Sendable {
    /// Whether QEMU must have a system call filter.
    public var requiresSandbox: Bool
    /// What guests reach by interfaces of type `user`.
    public var userNetworking: UserNetworking

    /// States rules; the defaults are those of a host's policy.
    public init(requiresSandbox: Bool = true, userNetworking: UserNetworking = .restricted) {
        self.requiresSandbox = requiresSandbox
        self.userNetworking = userNetworking
    }

    /// The rules of a policy.
    public init(_ policy: HostPolicy) {
        self.init(
            requiresSandbox: policy.requiresSandbox, userNetworking: policy.userNetworking)
    }

    /// Insists that a definition may run by a QEMU.
    /// - Throws: `E-QEMU` for a QEMU without the filter, `E-NET` for an interface that is refused.
    func admit(_ definition: VMDefinition, by facts: QEMUProbe.Facts) throws(LivemigError) {
        guard facts.sandbox || !requiresSandbox else {
            throw LivemigError(
                .qemu, "\(facts.version) has no working system call filter (-sandbox)",
                at: facts.program,
                fix: "install a QEMU built with seccomp; livemig host settings --sandbox optional "
                    + "does without")
        }
        let hasUserNetwork = definition.interfaces.contains { $0.attachment == .user }
        guard !hasUserNetwork || userNetworking != .refused else {
            throw LivemigError(
                .network, "this host refuses interfaces of type user",
                at: "VM \(definition.name)",
                fix: "give the VM a bridge, or change livemig host settings --user-network")
        }
    }
}
