/// What a host says about one of its VMs.
public struct MachineSummary: Hashable, Sendable {
    /// The name on its host.
    public var name: String
    /// The identity.
    public var uuid: VMUUID
    /// What executes it.
    public var kind: VMDefinition.Kind
    /// What the guest does.
    public var state: GuestLocation.State
    /// Guest RAM.
    public var memory: ByteCount
    /// The number of virtual CPUs.
    public var vcpus: Int
    /// The CPU model that the definition names; `nil` for the hypervisor's choice.
    public var cpuModel: String?
    /// What operators want of it.
    public var policy: GuestPolicy
    /// This host's right to run the VM, as the record states it.
    public var right: Right
    /// Why the guest does not do what it should, and what to do about it; `nil` when all is well.
    public var complaint: LivemigError?

    /// States a summary.
    public init(
        name: String, uuid: VMUUID, kind: VMDefinition.Kind, state: GuestLocation.State,
        memory: ByteCount, vcpus: Int, cpuModel: String? = nil,
        policy: GuestPolicy = GuestPolicy(), right: Right, complaint: LivemigError? = nil
    ) {
        self.name = name
        self.uuid = uuid
        self.kind = kind
        self.state = state
        self.memory = memory
        self.vcpus = vcpus
        self.cpuModel = cpuModel
        self.policy = policy
        self.right = right
        self.complaint = complaint
    }
}

extension MachineSummary {
    /// The epoch of this host's record.
    public var epoch: Epoch { right.epoch }
}
