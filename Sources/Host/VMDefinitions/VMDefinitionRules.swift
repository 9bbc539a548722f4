public import MigrationModel

/// What values a definition may hold, wherever it comes from.
///
/// Texts end up as options of the hypervisor and as paths that it opens; each kind has an alphabet
/// that leaves no room for anything but itself.
public enum VMDefinitionRules {
    /// The smallest and the largest guest, in bytes: 1 MiB and 16 TiB.
    public static let memory: ClosedRange<UInt64> = 1 << 20...16 << 40
    /// The size of a page, of which guest RAM is a multiple.
    public static let pageSize: UInt64 = 4096
    /// The number of virtual CPUs.
    public static let vcpus = 1...512
    /// The number of serial ports a PC has.
    public static let serialPorts = 0...4
    /// The longest path in bytes (`PATH_MAX`, limits.h, less its NUL).
    public static let longestPath = 4095
    /// The longest kernel command line in bytes; x86 takes 2048 (`COMMAND_LINE_SIZE`).
    public static let longestCommandLine = 4096
    /// What a guest can boot from.
    public static let bootDevices = ["hd", "network", "cdrom"]

    /// Checks every value of a definition.
    /// - Throws: the first rule broken, as a decoder would say it, without a place in a file.
    public static func check(_ definition: VMDefinition) throws(LivemigError) {
        try checkMemory(definition.memory)
        try checkVCPUs(definition.vcpus)
        if let model = definition.cpuModel { try checkWord(model, "CPU model") }
        try check(definition.boot, of: definition.kind)
        for disk in definition.disks {
            try checkPath(disk.path, "disk")
            try checkTarget(disk.target)
        }
        try checkUnique(definition.disks.map(\.target), "disk target")
        for interface in definition.interfaces {
            if case .bridge(let name) = interface.attachment { try checkBridge(name) }
            guard MACAddress.normalised(interface.mac) == interface.mac else {
                throw MACAddress.refusal(interface.mac)
            }
        }
        try checkUnique(definition.interfaces.map(\.mac), "MAC address")
        try checkSerialPorts(definition.serialPorts)
        if let source = definition.randomSource { try checkPath(source, "random source") }
        if let emulator = definition.emulator { try checkPath(emulator, "emulator") }
        try definition.policy.check()
    }

    static func check(
        _ boot: VMDefinition.Boot, of kind: VMDefinition.Kind
    ) throws(LivemigError) {
        try checkWord(boot.architecture, "architecture")
        try checkWord(boot.machine, "machine type")
        if let kernel = boot.kernel { try checkPath(kernel, "kernel") }
        if let initrd = boot.initrd { try checkPath(initrd, "initrd") }
        if let loader = boot.loader { try checkPath(loader, "loader") }
        if let line = boot.commandLine { try checkCommandLine(line) }
        // A reference guest has a command line and no kernel.
        let isBare = boot.initrd == nil && (boot.commandLine == nil || kind == .synthetic)
        guard boot.kernel != nil || isBare else {
            throw LivemigError(.xmlSchema, "an initrd or a command line needs a kernel")
        }
        for device in boot.devices where !bootDevices.contains(device) {
            throw LivemigError(
                .xmlUnsupported, "cannot boot from \(device.escaped())",
                fix: "supported: \(bootDevices.joined(separator: " "))")
        }
        try checkUnique(boot.devices, "boot device")
    }

    /// 1 MiB to 16 TiB in whole pages.
    public static func checkMemory(_ size: ByteCount) throws(LivemigError) {
        guard memory.contains(size.bytes) else {
            throw LivemigError(
                .size, "memory of \(size.bytes) bytes is outside 1 MiB to 16 TiB")
        }
        guard size.bytes.isMultiple(of: pageSize) else {
            throw LivemigError(.size, "memory of \(size.bytes) bytes is not a multiple of 4096")
        }
    }

    static func checkVCPUs(_ count: Int) throws(LivemigError) {
        guard vcpus.contains(count) else {
            throw LivemigError(.range, "\(count) vCPUs is outside 1 to 512")
        }
    }

    static func checkSerialPorts(_ count: Int) throws(LivemigError) {
        guard serialPorts.contains(count) else {
            throw LivemigError(.device, "\(count) serial ports: a guest has at most 4")
        }
    }

    /// An absolute path without `..`, control characters or white space at its end.
    ///
    /// Absolute also means that nothing is taken for a protocol of QEMU's block layer (`nbd:`).
    public static func checkPath(_ path: String, _ what: String) throws(LivemigError) {
        let shown = "\(what) path \(path.escaped())"
        guard path.utf8.count <= longestPath else {
            throw LivemigError(.xmlLimit, "\(what) path is longer than \(longestPath) bytes")
        }
        guard path.hasPrefix("/"), !path.hasSuffix("/") else {
            throw LivemigError(.xmlSchema, "\(shown) is not the absolute path of a file")
        }
        guard !path.split(separator: "/").contains("..") else {
            throw LivemigError(.xmlSchema, "\(shown) goes up by ..", fix: "write the path itself")
        }
        guard isPlain(path) else {
            throw LivemigError(.xmlSchema, "\(shown) holds control characters or ends in a space")
        }
    }

    static func checkCommandLine(_ line: String) throws(LivemigError) {
        guard line.utf8.count <= longestCommandLine else {
            throw LivemigError(
                .xmlLimit, "command line is longer than \(longestCommandLine) bytes")
        }
        guard !line.isEmpty, isPlain(line), line.first != " " else {
            throw LivemigError(
                .xmlSchema,
                "command line \(line.escaped()) is empty, holds control characters or "
                    + "begins or ends in a space")
        }
    }

    /// 1–64 of `A–Z a–z 0–9 . _ -`: no comma, so that nothing can be added to an option.
    static func checkWord(_ word: String, _ what: String) throws(LivemigError) {
        guard word.isPlainName(limit: 64) else {
            throw LivemigError(
                .xmlSchema, "illegal \(what) \(word.escaped())",
                fix: "use 1–64 of A–Z a–z 0–9 . _ - and start with a letter or digit")
        }
    }

    /// A device name as libvirt writes it: letters, then letters or digits, at most 16.
    static func checkTarget(_ name: String) throws(LivemigError) {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard (2...16).contains(name.utf8.count), name.utf8.first.map(letters.contains) == true,
            name.utf8.allSatisfy({ letters.contains($0) || digits.contains($0) })
        else {
            throw LivemigError(
                .xmlSchema, "illegal disk target \(name.escaped())", fix: "write such as vda")
        }
    }

    /// 1–15 bytes (`IFNAMSIZ`, netdevice(7), less its NUL) of the plain alphabet.
    static func checkBridge(_ name: String) throws(LivemigError) {
        guard name.isPlainName(limit: 15) else {
            throw LivemigError(
                .xmlSchema, "illegal bridge name \(name.escaped())",
                fix: "use 1–15 of A–Z a–z 0–9 . _ -")
        }
    }

    static func checkUnique(_ names: [String], _ what: String) throws(LivemigError) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw LivemigError(.xmlSchema, "\(what) \(name.escaped()) is used twice")
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        guard text.last != " " else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFFFE...0xFFFF: false
            default: true
            }
        }
    }
}
