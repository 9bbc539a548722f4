import Hypervisor
import MigrationModel

extension QEMUArguments {
    /// Serial ports.
    ///
    /// The guardian connects to each and reads all that comes.
    var serialPorts: [String] {
        let paths = preparation.folder.serialSockets(definition.serialPorts)
        return paths.enumerated().flatMap { index, path in
            let port =
                isPC ? ["-device", isaSerial(index)] : ["-serial", "chardev:console\(index)"]
            return ["-chardev", serialSocket(index, path)] + port
        }
    }

    private func serialSocket(_ index: Int, _ path: String) -> String {
        OptionText.join(
            "socket",
            [
                "id": "console\(index)", "path": preparation.path(of: path), "server": "on",
                "wait": "off",
            ])
    }

    private func isaSerial(_ index: Int) -> String {
        OptionText.join(
            "isa-serial",
            ["id": "serial\(index)", "chardev": "console\(index)", "index": "\(index)"])
    }

    /// Hands files in, a set for each (qemu(1), `-add-fd`).
    var fileSets: [String] {
        preparation.files.sets.flatMap { ["-add-fd", "fd=\($0),set=\($0)"] }
    }

    /// Disks: for each image, from the lowest on, its file and its format on top; then the device.
    ///
    /// Which image is below which is said here, for all of them: QEMU would believe the headers.
    var disks: [String] {
        zip(definition.disks, preparation.files.disks).enumerated().flatMap { index, pair in
            let (disk, chain) = pair
            let nodes = chain.indices.reversed().flatMap { level in
                [
                    "-blockdev", fileNode(index, level, disk, chain[level]),
                    "-blockdev", formatNode(index, level, disk, chain),
                ]
            }
            return nodes + ["-device", diskDevice(index, disk)]
        }
    }

    private func fileNode(
        _ index: Int, _ level: Int, _ disk: VMDefinition.Disk, _ image: FileNumbers.Image
    ) -> String {
        let cache = CacheFlags(DiskMoveRules.cache(of: disk))
        return OptionText.join(
            "",
            [
                "driver": "file", "node-name": Self.node("file", index, level),
                "filename": "/dev/fdset/\(image.number)",
                "aio": "threads", "locking": "on", "drop-cache": "on",
                "read-only": OptionText.flag(disk.readOnly || level > 0),
                "cache.direct": OptionText.flag(cache.direct),
                "cache.no-flush": OptionText.flag(cache.ignoresFlush),
            ])
    }

    private func formatNode(
        _ index: Int, _ level: Int, _ disk: VMDefinition.Disk, _ chain: [FileNumbers.Image]
    ) -> String {
        let cache = CacheFlags(DiskMoveRules.cache(of: disk))
        let isReadOnly = disk.readOnly || level > 0
        let (own, file) = (Self.node("disk", index, level), Self.node("file", index, level))
        // That there is none below can be said in JSON only (qapi/block-core.json,
        // BlockdevRefOrNull); these names need no escapes.
        guard level + 1 < chain.count || chain[level].format == .raw else {
            return
                "{\"driver\":\"qcow2\",\"node-name\":\"\(own)\",\"file\":\"\(file)\","
                + "\"backing\":null,\"read-only\":\(isReadOnly),"
                + "\"cache\":{\"direct\":\(cache.direct),\"no-flush\":\(cache.ignoresFlush)}}"
        }
        let node = OptionText.join(
            "",
            [
                "driver": chain[level].format.rawValue, "node-name": own, "file": file,
                "read-only": OptionText.flag(isReadOnly),
                "cache.direct": OptionText.flag(cache.direct),
                "cache.no-flush": OptionText.flag(cache.ignoresFlush),
            ])
        guard level + 1 < chain.count else { return node }
        return node + ",backing=" + Self.node("disk", index, level + 1)
    }

    /// `disk0` is what the guest sees, `disk0-1` the image below it.
    private static func node(_ kind: String, _ index: Int, _ level: Int) -> String {
        level == 0 ? "\(kind)\(index)" : "\(kind)\(index)-\(level)"
    }

    private func diskDevice(_ index: Int, _ disk: VMDefinition.Disk) -> String {
        let cache = CacheFlags(DiskMoveRules.cache(of: disk))
        let device = OptionText.join(
            "virtio-blk-pci",
            [
                "id": "virtio-disk\(index)", "drive": "disk\(index)",
                "addr": slot(11 + index), "write-cache": OptionText.flag(cache.writeCache),
            ])
        return device + bootIndex("hd", index)
    }

    /// Interfaces: the host's side and the device.
    var interfaces: [String] {
        definition.interfaces.enumerated().flatMap { index, interface in
            ["-netdev", hostSide(index, interface), "-device", networkDevice(index, interface)]
        }
    }

    private func hostSide(_ index: Int, _ interface: VMDefinition.Interface) -> String {
        guard case .bridge = interface.attachment, let tap = preparation.taps[index] else {
            // Unrestricted, it connects to services on the host's loopback addresses (slirp).
            let isOpen = preparation.userNetworking == .open
            return OptionText.join(
                "user", ["id": "net\(index)", "restrict": OptionText.flag(!isOpen)])
        }
        // The kernel's vhost would write guest RAM through its own mapping of it.
        return OptionText.join("tap", ["id": "net\(index)", "fd": "\(tap)", "vhost": "off"])
    }

    private func networkDevice(_ index: Int, _ interface: VMDefinition.Interface) -> String {
        var device = OptionText.join(
            "virtio-net-pci",
            [
                "id": "virtio-net\(index)", "netdev": "net\(index)", "mac": interface.mac,
                "addr": slot(3 + index),
            ])
        // The boot ROM is a block of memory whose size differs between installations.
        if !definition.boot.devices.contains("network") { device += ",romfile=" }
        return device + bootIndex("network", index)
    }

    /// `,bootindex=N` for a device that the boot order names; without an order, disks boot.
    private func bootIndex(_ kind: String, _ index: Int) -> String {
        guard definition.boot.kernel == nil else { return "" }
        let order = definition.boot.devices.isEmpty ? ["hd"] : definition.boot.devices
        guard let rank = order.firstIndex(of: kind) else { return "" }
        return ",bootindex=\(rank * 32 + index)"
    }

    private func slot(_ number: Int) -> String { "0x" + String(number, radix: 16) }
}

/// What a cache mode means in QEMU's own three flags (qemu(1), `-drive cache=`).
private struct CacheFlags {
    let direct: Bool
    let ignoresFlush: Bool
    let writeCache: Bool

    init(_ cache: VMDefinition.Disk.Cache) {
        direct = cache == .none || cache == .directsync
        ignoresFlush = cache == .unsafe
        writeCache = cache != .writethrough && cache != .directsync
    }
}

extension QEMUArguments.Preparation {
    /// A socket as QEMU names it: by the folder that it is handed, which is below others that its
    /// user may not enter.
    func path(of socket: String) -> String {
        "/proc/self/fd/\(sockets)" + socket.dropFirst(folder.sockets.count)
    }
}
