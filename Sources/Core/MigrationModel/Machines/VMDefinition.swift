/// A VM as its owner wrote it down: the subset of a libvirt domain that livemig runs and moves.
public struct VMDefinition: Hashable, Sendable {
    /// What executes the guest.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// QEMU with hardware virtualisation.
        case kvm
        /// QEMU with the tiny code generator.
        case qemu
        /// The reference guest: a process with real memory and a checkable workload.
        case synthetic
    }

    /// The name on its host.
    public var name: VMName
    /// The identity, the same on every host.
    public var uuid: VMUUID
    /// What executes the guest.
    public var kind: Kind
    /// Guest RAM, a multiple of 4 KiB.
    public var memory: ByteCount
    /// The number of virtual CPUs, 1–512.
    public var vcpus: Int
    /// The CPU model, such as `max`, `host` or `qemu64`; `nil` leaves the choice to the driver.
    public var cpuModel: String?
    /// What boots.
    public var boot: Boot
    /// The disks in order.
    public var disks: [Disk]
    /// The network interfaces in order.
    public var interfaces: [Interface]
    /// The number of serial ports; the first is the console.
    public var serialPorts: Int
    /// The host's random source given to the guest, such as `/dev/urandom`.
    public var randomSource: String?
    /// The hypervisor binary, where the definition names one.
    public var emulator: String?
    /// What operators want of the guest; means nothing to the hypervisor.
    public var policy: GuestPolicy

    /// States a definition.
    public init(
        name: VMName, uuid: VMUUID, kind: Kind, memory: ByteCount, vcpus: Int = 1,
        cpuModel: String? = nil, boot: Boot = Boot(), disks: [Disk] = [],
        interfaces: [Interface] = [], serialPorts: Int = 1, randomSource: String? = nil,
        emulator: String? = nil, policy: GuestPolicy = GuestPolicy()
    ) {
        self.name = name
        self.uuid = uuid
        self.kind = kind
        self.memory = memory
        self.vcpus = vcpus
        self.cpuModel = cpuModel
        self.boot = boot
        self.disks = disks
        self.interfaces = interfaces
        self.serialPorts = serialPorts
        self.randomSource = randomSource
        self.emulator = emulator
        self.policy = policy
    }

    /// The `os` element: machine type and what is loaded at power-on.
    public struct Boot: Hashable, Sendable {
        /// The architecture, such as `x86_64`.
        public var architecture: String
        /// The machine type, such as `q35` or `pc-q35-7.2`.
        public var machine: String
        /// A kernel loaded directly.
        public var kernel: String?
        /// The kernel's initial RAM disk.
        public var initrd: String?
        /// The kernel's command line.
        public var commandLine: String?
        /// A firmware image.
        public var loader: String?
        /// The boot device order, of `hd`, `network`, `cdrom`.
        public var devices: [String]

        /// States what boots.
        public init(
            architecture: String = "x86_64", machine: String = "q35", kernel: String? = nil,
            initrd: String? = nil, commandLine: String? = nil, loader: String? = nil,
            devices: [String] = []
        ) {
            self.architecture = architecture
            self.machine = machine
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
            self.loader = loader
            self.devices = devices
        }
    }

    /// A `disk` of type `file`, seen by both hosts under the same path.
    public struct Disk: Hashable, Sendable {
        /// The image format.
        public enum Format: String, Hashable, Sendable, CaseIterable {
            case raw, qcow2
        }

        /// How the host caches the image (QEMU's `cache` option).
        public enum Cache: String, Hashable, Sendable, CaseIterable {
            case none, writethrough, writeback, directsync, unsafe
        }

        /// The image file.
        public var path: String
        /// The image format.
        public var format: Format
        /// The cache mode; `nil` lets the driver choose one that is safe to move.
        public var cache: Cache?
        /// The name of the device in the definition, such as `vda`.
        public var target: String
        /// Whether the guest may not write.
        public var readOnly: Bool

        /// States a disk.
        public init(
            path: String, format: Format, cache: Cache? = nil, target: String,
            readOnly: Bool = false
        ) {
            self.path = path
            self.format = format
            self.cache = cache
            self.target = target
            self.readOnly = readOnly
        }
    }

    /// A virtio network interface.
    public struct Interface: Hashable, Sendable {
        /// What the interface is attached to on the host.
        public enum Attachment: Hashable, Sendable {
            /// A bridge of the host, by name.
            case bridge(String)
            /// QEMU's user-mode network.
            case user
        }

        /// What it is attached to.
        public var attachment: Attachment
        /// The MAC address as `52:54:00:xx:xx:xx`, lower case.
        public var mac: String

        /// States an interface.
        public init(attachment: Attachment, mac: String) {
            self.attachment = attachment
            self.mac = mac
        }
    }
}
