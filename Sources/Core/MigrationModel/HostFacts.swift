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
    /// What it does with huge pages.
    public var hugePages: HugePages
    /// How written pages are found, or what is missing for it.
    public var tracking: String
    /// Whether guests can be moved away from here live.
    public var canTrack: Bool
    /// The hypervisor's version, or why it cannot be used.
    public var hypervisor: String
    /// Whether hardware virtualisation can be used.
    public var hasKVM: Bool
    /// The processor, as far as guests can see it.
    public var cpu: CPU
    /// The host's wall clock when it answered, in milliseconds since 1970.
    public var clock: UInt64

    /// What a guest that sees the host's processor would see.
    public struct CPU: Hashable, Sendable {
        /// The maker, such as `GenuineIntel`.
        public var vendor: String
        /// The model, for people.
        public var model: String
        /// The features by their names in proc(5), `cpuinfo`.
        public var features: Set<String>

        /// States a processor.
        public init(vendor: String = "", model: String = "", features: Set<String> = []) {
            self.vendor = vendor
            self.model = model
            self.features = features
        }
    }

    /// States facts.
    public init(
        identity: String, kernel: String, agentVersion: String, architecture: String,
        processors: Int, memoryTotal: ByteCount, memoryAvailable: ByteCount,
        hugePages: HugePages = HugePages(), tracking: String, canTrack: Bool, hypervisor: String,
        hasKVM: Bool, cpu: CPU, clock: UInt64
    ) {
        self.identity = identity
        self.kernel = kernel
        self.agentVersion = agentVersion
        self.architecture = architecture
        self.processors = processors
        self.memoryTotal = memoryTotal
        self.memoryAvailable = memoryAvailable
        self.hugePages = hugePages
        self.tracking = tracking
        self.canTrack = canTrack
        self.hypervisor = hypervisor
        self.hasKVM = hasKVM
        self.cpu = cpu
        self.clock = clock
    }
}
