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
    /// This host's right to run the VM, as the record states it.
    public var right: Right

    /// States a summary.
    public init(
        name: String, uuid: VMUUID, kind: VMDefinition.Kind, state: GuestLocation.State,
        memory: ByteCount, vcpus: Int, right: Right
    ) {
        self.name = name
        self.uuid = uuid
        self.kind = kind
        self.state = state
        self.memory = memory
        self.vcpus = vcpus
        self.right = right
    }
}

extension MachineSummary {
    /// The epoch of this host's record.
    public var epoch: Epoch { right.epoch }
}

/// What a host says about itself.
public struct HostFacts: Hashable, Sendable {
    /// The identity of the installation (machine-id(5)) with the root folder: one agent's world.
    public var identity: String
    /// The kernel's release.
    public var kernel: String
    /// The agent's version.
    public var agentVersion: String
    /// The processor architecture.
    public var architecture: String
    /// The number of processors.
    public var processors: Int
    /// All memory.
    public var memoryTotal: ByteCount
    /// Memory that guests can still get (`MemAvailable` in proc(5)).
    public var memoryAvailable: ByteCount
    /// How written pages are found, or what is missing for it.
    public var tracking: String
    /// Whether guests can be moved away from here live.
    public var canTrack: Bool
    /// The hypervisor's version, or why it cannot be used.
    public var hypervisor: String
    /// Whether hardware virtualisation can be used.
    public var hasKVM: Bool

    /// States facts.
    public init(
        identity: String, kernel: String, agentVersion: String, architecture: String,
        processors: Int, memoryTotal: ByteCount, memoryAvailable: ByteCount, tracking: String,
        canTrack: Bool, hypervisor: String, hasKVM: Bool
    ) {
        self.identity = identity
        self.kernel = kernel
        self.agentVersion = agentVersion
        self.architecture = architecture
        self.processors = processors
        self.memoryTotal = memoryTotal
        self.memoryAvailable = memoryAvailable
        self.tracking = tracking
        self.canTrack = canTrack
        self.hypervisor = hypervisor
        self.hasKVM = hasKVM
    }
}
