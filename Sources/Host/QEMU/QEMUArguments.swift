public import Hypervisor
import LinuxSystem
public import MigrationModel

/// The arguments of a QEMU process, from the definition of a VM and what its launcher prepared.
///
/// Both hosts of a move derive the arguments from the same definition, so every device has a fixed
/// identifier and a fixed PCI address: QEMU matches device state by them.
/// Source of the options: qemu(1), and docs/system/invocation.rst.
public struct QEMUArguments: Sendable {
    /// What a launcher prepared for one start.
    public struct Preparation: Sendable {
        /// The VM's files.
        public var folder: MachineFolder
        /// The number of the guest's memory file in QEMU.
        public var memory: CInt
        /// The number of the folder of sockets in QEMU.
        public var sockets: CInt
        /// The numbers of tap devices in QEMU, by the position of their interface.
        public var taps: [Int: CInt]
        /// The files that the definition names.
        public var files: FileNumbers
        /// Whether this QEMU was built with the system call filter.
        public var sandbox: Bool
        /// What interfaces of type `user` reach.
        public var userNetworking: UserNetworking
        /// From power-on, or to receive a guest.
        public var mode: LaunchMode

        /// States what was prepared.
        public init(
            folder: MachineFolder, memory: CInt, sockets: CInt,
            taps: [Int: CInt] = [:], files: FileNumbers = FileNumbers(), sandbox: Bool,
            userNetworking: UserNetworking = .restricted, mode: LaunchMode
        ) {
            self.userNetworking = userNetworking
            self.folder = folder
            self.memory = memory
            self.sockets = sockets
            self.taps = taps
            self.files = files
            self.sandbox = sandbox
            self.mode = mode
        }
    }

    /// The most serial ports: a PC has four.
    public static let serialPortLimit = 4
    /// The most interfaces: PCI slots 3 to 10.
    public static let interfaceLimit = 8
    /// The most disks: PCI slots 11 to 30.
    public static let diskLimit = 20

    let definition: VMDefinition
    let preparation: Preparation

    /// Joins a definition and what was prepared for it.
    public init(_ definition: VMDefinition, _ preparation: Preparation) {
        self.definition = definition
        self.preparation = preparation
    }

    /// The arguments, without the program's name.
    /// - Throws: `E-DEVICE` for more devices than have addresses, `E-FILE` for unprintable names,
    ///   `E-ROOT` for a folder whose socket names are too long.
    public func list() throws(LivemigError) -> [String] {
        try check()
        return machine + boot + fileSets + serialPorts + disks + interfaces + randomSource
            + monitor + confinement + incoming
    }

    /// The arguments of a QEMU that makes the machine and ends: no devices, no guest.
    var rehearsal: [String] {
        machine + [
            "-S", "-qmp", "stdio", "-monitor", "none", "-serial", "none", "-parallel", "none",
        ]
            + confinement
    }

    /// The system call filter with everything denied that a running QEMU does not need
    /// (qemu(1), `-sandbox`).
    static let sandbox = OptionText.join(
        "on",
        [
            "obsolete": "deny", "elevateprivileges": "deny", "spawn": "deny",
            "resourcecontrol": "deny",
        ])

    /// Whether the guest is a PC.
    var isPC: Bool { ["x86_64", "i386", "i686"].contains(definition.boot.architecture) }

    private func check() throws(LivemigError) {
        try require(definition.serialPorts, atMost: Self.serialPortLimit, "serial ports")
        try require(definition.interfaces.count, atMost: Self.interfaceLimit, "interfaces")
        try require(definition.disks.count, atMost: Self.diskLimit, "disks")
        for (index, interface) in definition.interfaces.enumerated() {
            guard case .bridge(let name) = interface.attachment, preparation.taps[index] == nil
            else { continue }
            throw LivemigError(.network, "no tap device for bridge \(name.escaped())")
        }
        let (boot, files) = (definition.boot, preparation.files)
        for disk in definition.disks { try OptionText.requirePlain(disk.path, "a disk's path") }
        for path in [boot.kernel, boot.initrd, boot.loader, definition.randomSource] {
            if let path { try OptionText.requirePlain(path, "a path") }
        }
        guard files.disks.count == definition.disks.count,
            files.disks.allSatisfy({ !$0.isEmpty }),
            (files.kernel != nil) == (boot.kernel != nil),
            (files.initrd != nil) == (boot.initrd != nil),
            (files.loader != nil) == (boot.loader != nil),
            (files.random != nil) == (definition.randomSource != nil)
        else { throw LivemigError(.internal, "a file of the definition was not opened") }
        for word in [boot.machine, boot.commandLine, definition.cpuModel] {
            if let word { try OptionText.requirePlain(word, "the definition") }
        }
        let folder = preparation.folder
        try OptionText.requirePlain(folder.path, "the folder")
        for socket in [folder.monitorSocket, folder.memorySocket, folder.consoleSocket]
        where socket.utf8.count > UnixSocket.pathLimit {
            throw LivemigError(
                .root, "socket path longer than \(UnixSocket.pathLimit) bytes", at: socket,
                fix: "choose a root folder with a shorter path")
        }
    }

    private func require(
        _ count: Int, atMost limit: Int, _ what: String
    ) throws(LivemigError) {
        guard count > limit else { return }
        throw LivemigError(
            .device, "\(count) \(what), at most \(limit) can be attached",
            at: "VM \(definition.name)")
    }

    private var machine: [String] {
        let memory = definition.memory.bytes / 1024
        let accelerator = definition.kind == .kvm ? "kvm" : "tcg,tb-size=128"
        var type = OptionText.join(
            OptionText.escape(definition.boot.machine),
            ["memory-backend": "ram", "dump-guest-core": "off"])
        if isPC { type += ",usb=off" }
        let cpu = definition.cpuModel ?? (definition.kind == .kvm ? "host" : "max")
        return [
            "-name", "guest=\(definition.name),debug-threads=on",
            "-uuid", definition.uuid.description,
            "-no-user-config", "-nodefaults", "-display", "none", "-vga", "none",
            "-accel", accelerator, "-cpu", cpu, "-machine", type,
            "-m", "size=\(memory)K", "-smp", "cpus=\(definition.vcpus)",
            "-object",
            OptionText.join(
                "memory-backend-file",
                [
                    "id": "ram", "size": "\(memory)K", "share": "on",
                    "mem-path": "/proc/self/fd/\(preparation.memory)", "dump": "off",
                    "merge": "off",
                ]),
        ]
    }

    private var boot: [String] {
        let files = preparation.files
        var result: [String] = []
        if let loader = files.loader { result += ["-bios", Self.name(of: loader)] }
        if let kernel = files.kernel { result += ["-kernel", Self.name(of: kernel)] }
        if let initrd = files.initrd { result += ["-initrd", Self.name(of: initrd)] }
        if let commandLine = definition.boot.commandLine, files.kernel != nil {
            result += ["-append", commandLine]
        }
        return result
    }

    private static func name(of number: CInt) -> String { "/proc/self/fd/\(number)" }

    private var randomSource: [String] {
        guard let source = preparation.files.random else { return [] }
        return [
            "-object",
            OptionText.join("rng-random", ["id": "random0", "filename": "/dev/fdset/\(source)"]),
            "-device",
            OptionText.join("virtio-rng-pci", ["id": "rng0", "rng": "random0", "addr": "0x2"]),
        ]
    }

    private var monitor: [String] {
        [
            "-chardev",
            OptionText.join(
                "socket",
                [
                    "id": "monitor",
                    "path": preparation.path(of: preparation.folder.monitorSocket),
                    "server": "on", "wait": "off",
                ]),
            "-mon", "chardev=monitor,mode=control",
        ]
    }

    private var confinement: [String] {
        let common = ["-msg", "timestamp=off", "-only-migratable"]
        return preparation.sandbox ? common + ["-sandbox", Self.sandbox] : common
    }

    private var incoming: [String] {
        switch preparation.mode {
        // The guardian lets the guest run once it reads the serial ports.
        case .powerOn: ["-S"]
        case .incoming: ["-S", "-incoming", "defer"]
        }
    }
}
