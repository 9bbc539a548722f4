import Hypervisor
import MigrationModel
import Testing

@testable import QEMU

@Suite("QEMU arguments")
struct QEMUArgumentsTests {
    /// Breaks when an option, an identifier or an address changes: both hosts must agree on them.
    @Test("A full definition becomes exactly these arguments")
    func full() throws {
        var definition = try Self.definition()
        definition.vcpus = 2
        definition.boot.devices = ["network", "hd"]
        definition.disks = [
            .init(path: "/images/a,b.qcow2", format: .qcow2, target: "vda"),
            .init(
                path: "/images/c.img", format: .raw, cache: .writethrough, target: "vdb",
                readOnly: true),
        ]
        definition.interfaces = [
            .init(attachment: .bridge("br0"), mac: "52:54:00:00:00:01"),
            .init(attachment: .user, mac: "52:54:00:00:00:02"),
        ]
        definition.serialPorts = 2
        definition.randomSource = "/dev/urandom"
        let arguments = try Self.arguments(definition, taps: [0: 6], mode: .incoming)
        #expect(arguments == Self.machine(cpus: 2) + Self.devices + Self.ending + Self.incoming)
    }

    /// Breaks when a guest reaches services on the host's loopback addresses, or reaches nothing where
    /// the host allows it to.
    @Test("Interfaces of type user are restricted unless the host says otherwise")
    func userNetworking() throws {
        var definition = try Self.definition()
        definition.interfaces = [.init(attachment: .user, mac: "52:54:00:00:00:02")]
        for (network, flag) in [(UserNetworking.restricted, "on"), (.open, "off")] {
            let list = try QEMUArguments(
                definition,
                .init(
                    folder: .init(path: "/r"), memory: 3, sockets: 4,
                    sandbox: true, userNetworking: network, mode: .powerOn)
            ).list()
            #expect(Self.value(of: "-netdev", in: list) == "user,id=net0,restrict=\(flag)")
        }
    }

    /// Breaks when the choice of accelerator and CPU model no longer follows the definition.
    @Test(
        "Accelerator and CPU model follow the definition",
        arguments: [
            (VMDefinition.Kind.qemu, nil, "tcg,tb-size=128", "max"),
            (.kvm, nil, "kvm", "host"),
            (.kvm, "Skylake-Server", "kvm", "Skylake-Server"),
            (.qemu, "qemu64", "tcg,tb-size=128", "qemu64"),
        ])
    func accelerator(
        _ kind: VMDefinition.Kind, _ model: String?, _ accelerator: String, _ cpu: String
    ) throws {
        var definition = try Self.definition()
        definition.kind = kind
        definition.cpuModel = model
        let arguments = try Self.arguments(definition)
        #expect(Self.value(of: "-accel", in: arguments) == accelerator)
        #expect(Self.value(of: "-cpu", in: arguments) == cpu)
    }

    /// Breaks when a kernel's command line is lost, or a disk is booted instead of the kernel.
    @Test("A kernel boots with its initrd and command line, and no disk is in the boot order")
    func kernel() throws {
        var definition = try Self.definition()
        definition.boot.kernel = "/boot/vmlinuz"
        definition.boot.initrd = "/boot/initrd"
        definition.boot.commandLine = "console=ttyS0,115200 quiet"
        definition.disks = [.init(path: "/d", format: .raw, target: "vda")]
        let arguments = try Self.arguments(definition)
        #expect(Self.value(of: "-kernel", in: arguments) == "/proc/self/fd/14")
        #expect(Self.value(of: "-initrd", in: arguments) == "/proc/self/fd/15")
        #expect(Self.value(of: "-append", in: arguments) == "console=ttyS0,115200 quiet")
        #expect(!arguments.contains { $0.contains("bootindex") })
    }

    /// Breaks when QEMU is left to find the images below a disk's by their headers.
    @Test("Each image of a chain is a node of its own, and the last has none below")
    func chain() throws {
        var definition = try Self.definition()
        definition.disks = [.init(path: "/images/top", format: .qcow2, target: "vda")]
        let arguments = try Self.arguments(definition, below: 1)
        let nodes = arguments.indices.filter { arguments[$0] == "-blockdev" }
            .map { arguments[$0 + 1] }
        #expect(nodes.count == 4)
        #expect(nodes[0].contains("filename=/dev/fdset/15") && nodes[0].contains("read-only=on"))
        #expect(nodes[1].contains("\"backing\":null") && nodes[1].contains("\"read-only\":true"))
        #expect(nodes[2].contains("filename=/dev/fdset/14") && nodes[2].contains("read-only=off"))
        #expect(nodes[3].hasSuffix(",backing=disk0-1"), "\(nodes[3])")
    }

    /// Breaks when a cache mode is translated to other flags than qemu(1) says.
    @Test(
        "A cache mode sets QEMU's three flags",
        arguments: [
            (VMDefinition.Disk.Cache?.none, "off", "off", "on"),
            (.writeback, "off", "off", "on"), (.writethrough, "off", "off", "off"),
            (VMDefinition.Disk.Cache.none, "on", "off", "on"),
            (.directsync, "on", "off", "off"), (.unsafe, "off", "on", "on"),
        ])
    func cache(
        _ cache: VMDefinition.Disk.Cache?, _ direct: String, _ noFlush: String, _ write: String
    ) throws {
        var definition = try Self.definition()
        definition.disks = [.init(path: "/d", format: .raw, cache: cache, target: "vda")]
        let text = try Self.arguments(definition).joined(separator: " ")
        #expect(text.contains("cache.direct=\(direct),cache.no-flush=\(noFlush)"))
        #expect(text.contains("write-cache=\(write)"))
    }

    /// Breaks when more devices than addresses, or text that is no argument, gets through.
    @Test("What cannot be an argument is refused by name")
    func refusals() throws {
        var many = try Self.definition()
        many.serialPorts = 5
        #expect(failure { _ = try Self.arguments(many) }?.code == .device)
        many.serialPorts = 1
        many.disks = (0..<21).map { .init(path: "/d\($0)", format: .raw, target: "vd") }
        #expect(failure { _ = try Self.arguments(many) }?.code == .device)
        many.disks = [.init(path: "/d\u{0}x", format: .raw, target: "vda")]
        #expect(failure { _ = try Self.arguments(many) }?.code == .file)
        many.disks = []
        many.interfaces = [.init(attachment: .bridge("br0"), mac: "52:54:00:00:00:01")]
        #expect(failure { _ = try Self.arguments(many) }?.code == .network)
        let long = String(repeating: "x", count: 120)
        #expect(
            failure { _ = try Self.arguments(try Self.definition(), folder: long) }?.code == .root)
    }

    /// Breaks when a cache mode whose writes are not tracked, or not flushed, may be moved.
    @Test(
        "Only buffered, flushed cache modes may be moved",
        arguments: [
            (VMDefinition.Disk.Cache?.none, true), (.writeback, true), (.writethrough, true),
            (VMDefinition.Disk.Cache.none, false), (.directsync, false), (.unsafe, false),
        ])
    func moveRules(_ cache: VMDefinition.Disk.Cache?, _ movable: Bool) throws {
        let disk = VMDefinition.Disk(path: "/d", format: .raw, cache: cache, target: "vdb")
        let error = failure { try DiskMoveRules.check(disk) }
        #expect((error == nil) == movable)
        guard let error, let cache else { return }
        #expect(error.code == .cache)
        #expect(error.explanation.contains("cache='\(cache.rawValue)'"))
        #expect(error.explanation.contains("vdb"))
    }

    static func definition() throws -> VMDefinition {
        let uuid = try #require(VMUUID("0f0e0d0c-0b0a-0908-0706-050403020100"))
        return VMDefinition(
            name: try VMName("web1"), uuid: uuid, kind: .qemu, memory: .mebibytes(128),
            boot: .init(machine: "pc-q35-7.2"), serialPorts: 1)
    }

    static func arguments(
        _ definition: VMDefinition, folder: String = "/r", taps: [Int: CInt] = [:],
        below: Int = 0, mode: LaunchMode = .powerOn
    ) throws -> [String] {
        try QEMUArguments(
            definition,
            .init(
                folder: .init(path: folder), memory: 3, sockets: 4, taps: taps,
                files: numbers(definition, below: below), sandbox: true, mode: mode)
        ).list()
    }

    /// Numbers as a launcher gives them, with as many images below each disk's own.
    static func numbers(_ definition: VMDefinition, below: Int = 0) -> FileNumbers {
        var numbers = FileNumbers()
        var next: CInt = 14
        func number(_ path: String?) -> CInt? {
            guard path != nil else { return nil }
            defer { next += 1 }
            return next
        }
        numbers.kernel = number(definition.boot.kernel)
        numbers.initrd = number(definition.boot.initrd)
        numbers.loader = number(definition.boot.loader)
        numbers.random = number(definition.randomSource)
        for disk in definition.disks {
            numbers.disks.append(
                (0...below).compactMap { level in
                    number(disk.path).map {
                        .init(number: $0, format: level == below ? disk.format : .qcow2)
                    }
                })
        }
        return numbers
    }

    static func value(of option: String, in arguments: [String]) -> String? {
        arguments.firstIndex(of: option).map { arguments[$0 + 1] }
    }

    static func machine(cpus: Int) -> [String] {
        [
            "-name", "guest=web1,debug-threads=on", "-uuid", "0f0e0d0c-0b0a-0908-0706-050403020100",
            "-no-user-config", "-nodefaults", "-display", "none", "-vga", "none",
            "-accel", "tcg,tb-size=128", "-cpu", "max",
            "-machine", "pc-q35-7.2,memory-backend=ram,dump-guest-core=off,usb=off",
            "-m", "size=131072K", "-smp", "cpus=\(cpus)",
            "-object",
            "memory-backend-file,id=ram,size=131072K,share=on,mem-path=/proc/self/fd/3,dump=off,"
                + "merge=off",
        ]
    }

    static let devices = [
        "-add-fd", "fd=15,set=15", "-add-fd", "fd=16,set=16", "-add-fd", "fd=14,set=14",
        "-chardev", "socket,id=console0,path=/proc/self/fd/4/console.sock,server=on,wait=off",
        "-device", "isa-serial,id=serial0,chardev=console0,index=0",
        "-chardev", "socket,id=console1,path=/proc/self/fd/4/serial1.sock,server=on,wait=off",
        "-device", "isa-serial,id=serial1,chardev=console1,index=1",
        "-blockdev",
        "driver=file,node-name=file0,filename=/dev/fdset/15,aio=threads,locking=on,"
            + "drop-cache=on,read-only=off,cache.direct=off,cache.no-flush=off",
        "-blockdev",
        "{\"driver\":\"qcow2\",\"node-name\":\"disk0\",\"file\":\"file0\",\"backing\":null,"
            + "\"read-only\":false,\"cache\":{\"direct\":false,\"no-flush\":false}}",
        "-device",
        "virtio-blk-pci,id=virtio-disk0,drive=disk0,addr=0xb,write-cache=on,bootindex=32",
        "-blockdev",
        "driver=file,node-name=file1,filename=/dev/fdset/16,aio=threads,locking=on,"
            + "drop-cache=on,read-only=on,cache.direct=off,cache.no-flush=off",
        "-blockdev",
        "driver=raw,node-name=disk1,file=file1,read-only=on,cache.direct=off,cache.no-flush=off",
        "-device",
        "virtio-blk-pci,id=virtio-disk1,drive=disk1,addr=0xc,write-cache=off,bootindex=33",
        "-netdev", "tap,id=net0,fd=6,vhost=off",
        "-device",
        "virtio-net-pci,id=virtio-net0,netdev=net0,mac=52:54:00:00:00:01,addr=0x3,bootindex=0",
        "-netdev", "user,id=net1,restrict=on",
        "-device",
        "virtio-net-pci,id=virtio-net1,netdev=net1,mac=52:54:00:00:00:02,addr=0x4,bootindex=1",
        "-object", "rng-random,id=random0,filename=/dev/fdset/14",
        "-device", "virtio-rng-pci,id=rng0,rng=random0,addr=0x2",
    ]

    static let ending = [
        "-chardev", "socket,id=monitor,path=/proc/self/fd/4/monitor.sock,server=on,wait=off",
        "-mon", "chardev=monitor,mode=control", "-msg", "timestamp=off", "-only-migratable",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ]

    static let incoming = ["-S", "-incoming", "defer"]
}
