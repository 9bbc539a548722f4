import MigrationModel
import Testing
import XMLDocuments

@testable import VMDefinitions

let uuidText = "3f1c5b1e-7d0a-4c5e-9b57-0123456789ab"

/// A domain with these elements after name, uuid, memory and vcpu; they start on line 2.
func domain(_ more: String, type: String = "kvm") -> String {
    "<domain type='\(type)'><name>web1</name><uuid>\(uuidText)</uuid>"
        + "<memory>524288</memory><vcpu>2</vcpu>\n\(more)</domain>"
}

/// A domain with these devices, which start on line 2.
func devices(_ content: String) -> String {
    domain("<devices>\(content)</devices>")
}

func decoded(_ text: String, generatedUUID: VMUUID? = nil) throws(LivemigError) -> VMDefinition {
    try VMDefinitionDocument.decode(
        bytes: Array(text.utf8), name: "vm.xml", generatedUUID: generatedUUID)
}

func refusal(of text: String) -> LivemigError? {
    do throws(LivemigError) {
        _ = try decoded(text)
        return nil
    } catch {
        return error
    }
}

@Suite("VM definitions")
struct DefinitionTests {
    // Breaks when an element of the subset is misread.
    @Test("everything the subset holds is read")
    func everything() throws {
        let definition = try decoded(
            """
            <domain type="qemu" id="7">
              <name>web1</name>
              <uuid>\(uuidText.uppercased())</uuid>
              <memory unit="MiB">512</memory>
              <currentMemory unit="KiB">524288</currentMemory>
              <vcpu placement="static">2</vcpu>
              <cpu mode="custom" match="exact" check="none">
                <model fallback="forbid">qemu64</model>
              </cpu>
              <os>
                <type arch="x86_64" machine="pc-q35-7.2">hvm</type>
                <loader>/usr/share/OVMF.fd</loader>
                <kernel>/boot/vm linuz,1</kernel>
                <initrd>/boot/initrd</initrd>
                <cmdline>console=ttyS0 a="b,c"</cmdline>
                <boot dev="network"/>
                <boot dev="hd"/>
              </os>
              <devices>
                <emulator>/usr/bin/qemu-system-x86_64</emulator>
                <disk type="file" device="disk">
                  <driver name="qemu" type="qcow2" cache="none"/>
                  <source file="/vm/a.qcow2"/>
                  <target dev="vda" bus="virtio"/>
                </disk>
                <disk type="file">
                  <driver type="raw"/><source file="/vm/b,c.raw"/><target dev="vdb"/><readonly/>
                </disk>
                <interface type="bridge">
                  <source bridge="br0"/>
                  <mac address="52:54:00:AB:cd:EF"/>
                  <model type="virtio"/>
                </interface>
                <interface type="user"><mac address="52:54:00:00:00:01"/></interface>
                <serial type="pty">
                  <target type="isa-serial" port="0"><model name="isa-serial"/></target>
                </serial>
                <serial type="file"><target port="1"/></serial>
                <console type="pty"><target type="serial" port="0"/></console>
                <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
              </devices>
            </domain>
            """)
        let expected = VMDefinition(
            name: try VMName("web1"), uuid: try #require(VMUUID(uuidText)), kind: .qemu,
            memory: .mebibytes(512), vcpus: 2, cpuModel: "qemu64",
            boot: .init(
                machine: "pc-q35-7.2", kernel: "/boot/vm linuz,1", initrd: "/boot/initrd",
                commandLine: "console=ttyS0 a=\"b,c\"", loader: "/usr/share/OVMF.fd",
                devices: ["network", "hd"]),
            disks: [
                .init(
                    path: "/vm/a.qcow2", format: .qcow2, cache: VMDefinition.Disk.Cache.none,
                    target: "vda"),
                .init(path: "/vm/b,c.raw", format: .raw, target: "vdb", readOnly: true),
            ],
            interfaces: [
                .init(attachment: .bridge("br0"), mac: "52:54:00:ab:cd:ef"),
                .init(attachment: .user, mac: "52:54:00:00:00:01"),
            ], serialPorts: 2, randomSource: "/dev/urandom",
            emulator: "/usr/bin/qemu-system-x86_64")
        #expect(definition == expected)
        #expect(try decoded(VMDefinitionDocument.encode(definition)) == definition)
    }

    // Breaks when a definition changes on its way through a file.
    @Test(
        "a definition comes back as it was written",
        arguments: VMDefinition.Kind.allCases, ["host", "max", "EPYC-v2", nil])
    func roundTrip(kind: VMDefinition.Kind, cpuModel: String?) throws {
        let definition = VMDefinition(
            name: try VMName("a.b-c_d"), uuid: .random(), kind: kind, memory: ByteCount(1 << 20),
            vcpus: 512, cpuModel: cpuModel,
            boot: .init(
                architecture: "aarch64", machine: "virt", kernel: "/k",
                commandLine: "<&>'\" é ]]>"),
            serialPorts: kind == .synthetic ? 0 : 4)
        #expect(try decoded(VMDefinitionDocument.encode(definition)) == definition)
    }

    // Breaks when a unit is read as another one (libvirt's KB is 1000, its k and K are not the
    // same).
    @Test(
        "memory has libvirt's units",
        arguments: [
            ("", "1048576", 1 << 30), (" unit='b'", "1048576", 1 << 20),
            (" unit='bytes'", "1048576", 1 << 20), (" unit='KB'", "512000", 512_000_000),
            (" unit='k'", "2048", 2 << 20), (" unit='KiB'", "2048", 2 << 20),
            (" unit='MB'", "128", 128_000_000), (" unit='M'", "1", 1 << 20),
            (" unit='MiB'", " 1 ", 1 << 20), (" unit='GB'", "512", 512_000_000_000),
            (" unit='G'", "1", 1 << 30), (" unit='GiB'", "3", 3 << 30),
            (" unit='TB'", "1", 1_000_000_000_000), (" unit='T'", "16", 16 << 40),
            (" unit='TiB'", "1", 1 << 40),
        ] as [(String, String, UInt64)])
    func memory(unit: String, number: String, bytes: UInt64) throws {
        let text = domain("").replacing(
            "<memory>524288</memory>", with: "<memory\(unit)>\(number)</memory>")
        #expect(try decoded(text).memory.bytes == bytes)
    }

    // Breaks when a missing UUID is invented, or a given one is not used.
    @Test("a missing UUID is the caller's to give")
    func generatedUUID() throws {
        let text = domain("").replacing("<uuid>\(uuidText)</uuid>", with: "")
        let error = refusal(of: text)
        #expect(error?.code == .xmlSchema)
        #expect(error?.what.contains("<uuid>") == true)
        let uuid = VMUUID.random()
        #expect(try decoded(text, generatedUUID: uuid).uuid == uuid)
        #expect(try decoded(domain(""), generatedUUID: uuid).uuid.description == uuidText)
    }

    // Breaks when the two hosts of a move, or two readings, give an interface different addresses.
    @Test("a missing MAC address follows from UUID and index")
    func generatedMAC() throws {
        let text = devices(String(repeating: "<interface type='user'/>", count: 8))
        let first = try decoded(text).interfaces.map(\.mac)
        #expect(first == (try decoded(text).interfaces.map(\.mac)))
        #expect(Set(first).count == 8)
        #expect(first.allSatisfy { $0.hasPrefix("52:54:00:") && $0.utf8.count == 17 })
        let taken = devices(
            "<interface type='user'/><interface type='user'><mac address='\(first[0])'/></interface>"
        )
        let second = try decoded(taken).interfaces.map(\.mac)
        #expect(second[1] == first[0] && second[0] != first[0])
        let other = text.replacing(uuidText, with: VMUUID.random().description)
        #expect(try decoded(other).interfaces.map(\.mac) != first)
    }

    // Breaks when a console that stands for a serial port is counted again, or not at all.
    @Test(
        "consoles of target type serial are serial ports",
        arguments: [
            ("", 0), ("<serial type='pty'/>", 1), ("<console type='pty'/>", 1),
            ("<console type='pty'><target type='serial' port='0'/></console>", 1),
            ("<serial type='unix'/><serial type='file'/><console type='pty'/>", 2),
        ])
    func serialPorts(content: String, count: Int) throws {
        #expect(try decoded(devices(content)).serialPorts == count)
    }

    // Breaks when something that would not be read is written.
    @Test("a definition that breaks a rule is not written")
    func encodeChecks() throws {
        let good = try decoded(domain(""))
        let changes: [(inout VMDefinition) -> Void] = [
            { $0.memory = ByteCount(4097) }, { $0.vcpus = 0 }, { $0.cpuModel = "a,b" },
            { $0.boot.kernel = "k" }, { $0.boot.commandLine = "x" }, { $0.serialPorts = 5 },
            { $0.emulator = "/a/../b" }, { $0.randomSource = "/a\u{1B}" },
            { $0.disks = [.init(path: "nbd:x", format: .raw, target: "vda")] },
            { $0.interfaces = [.init(attachment: .user, mac: "52:54:00:AB:00:00")] },
            { $0.interfaces = [.init(attachment: .bridge("a,b"), mac: "52:54:00:ab:00:00")] },
        ]
        for (index, change) in changes.enumerated() {
            var bad = good
            change(&bad)
            #expect(throws: LivemigError.self, "\(index)") {
                try VMDefinitionDocument.encode(bad)
            }
        }
    }
}
