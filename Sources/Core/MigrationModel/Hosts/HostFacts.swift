/// What a host says about itself.
public struct HostFacts: Hashable, Sendable {
    /// The host's own random identity, kept in its root since its first use: one agent's world.
    public var identity: String
    /// Where that root is: what tells a host with two names from a copy of a host.
    public var installation: Installation
    /// The kernel's release.
    public var kernel: String
    /// The agent's version.
    public var agentVersion: String
    /// The processor architecture.
    public var architecture: String
    /// The number of processors.
    public var processors: Int
    /// All memory, as far as guests may have it.
    public var memoryTotal: ByteCount
    /// Memory that one more guest can get: what is available (`MemAvailable` in proc(5), or less by
    /// limits of control groups), without what the host's guests may still take.
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
    /// The fingerprints of the keys that its lanes to peers log in with.
    public var laneKeys: [String]

    /// A running system and the folder in it that is the host's root.
    public struct Installation: Hashable, Sendable {
        /// The identity of the system's installation (machine-id(5)), which clones share; may be
        /// empty.
        public var machineID: String
        /// The kernel's own name for this boot (`/proc/sys/kernel/random/boot_id`), which they do
        /// not share.
        public var boot: String
        /// The device that the root is on; with the inode, it tells folders of one kernel apart.
        public var device: UInt64
        /// The root's inode.
        public var inode: UInt64

        /// States an installation.
        public init(
            machineID: String = "", boot: String = "", device: UInt64 = 0, inode: UInt64 = 0
        ) {
            self.machineID = machineID
            self.boot = boot
            self.device = device
            self.inode = inode
        }

        /// Whether two kernels have the same machine-id.
        public func isClone(of other: Installation) -> Bool {
            boot != other.boot && !machineID.isEmpty && machineID == other.machineID
        }
    }

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
        identity: String, installation: Installation = Installation(), kernel: String,
        agentVersion: String, architecture: String,
        processors: Int, memoryTotal: ByteCount, memoryAvailable: ByteCount,
        hugePages: HugePages = HugePages(), tracking: String, canTrack: Bool, hypervisor: String,
        hasKVM: Bool, cpu: CPU, clock: UInt64, laneKeys: [String] = []
    ) {
        self.identity = identity
        self.installation = installation
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
        self.laneKeys = laneKeys
    }
}
