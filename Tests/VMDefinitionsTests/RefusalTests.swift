import MigrationModel
import Testing
import XMLDocuments

@testable import VMDefinitions

private func disk(
    driver: String = "<driver type='raw'/>", source: String = "<source file='/d'/>",
    target: String = "<target dev='vda' bus='virtio'/>", more: String = ""
) -> String {
    devices("<disk type='file'>\(driver)\(source)\(target)\(more)</disk>")
}

@Suite("Refused definitions")
struct RefusalTests {
    // Breaks when an element is ignored, or named without its place.
    @Test(
        "every element outside the subset is named with line and column",
        arguments: [
            "title", "description", "on_poweroff", "on_reboot", "on_crash", "features",
            "clock", "pm", "memoryBacking", "cputune", "numatune", "iothreads", "seclabel",
            "resource", "sysinfo", "maxMemory", "genid", "launchSecurity", "memtune", "perf",
        ])
    func topLevel(name: String) {
        let error = refusal(of: domain("  <\(name)/>"))
        #expect(error?.code == .xmlUnsupported)
        #expect(error?.what == "element <\(name)> is not supported")
        #expect(error?.place == "vm.xml:2:3")
    }

    // Breaks when a device is ignored: a guest would start without it.
    @Test(
        "every device outside the subset is named with line and column",
        arguments: [
            "hostdev", "controller", "input", "graphics", "video", "sound", "audio", "watchdog",
            "memballoon", "filesystem", "shmem", "tpm", "redirdev", "smartcard", "hub", "parallel",
            "panic", "memory", "iommu", "vsock", "lease", "nvram", "crypto",
        ])
    func devicesBelow(name: String) {
        let error = refusal(of: devices("\n <\(name) type='x'/>"))
        #expect(error?.code == .xmlUnsupported)
        #expect(error?.what == "element <\(name)> is not supported")
        #expect(error?.place == "vm.xml:3:2")
    }

    // Breaks when an element inside a supported one is ignored.
    @Test(
        "elements and attributes inside supported ones are named",
        arguments: [
            (disk(more: "<address type='pci'/>"), "element <address>"),
            (disk(more: "<alias name='x'/>"), "element <alias>"),
            (disk(more: "<backingStore/>"), "element <backingStore>"),
            (disk(driver: "<driver type='raw' io='native'/>"), "attribute io"),
            (disk(source: "<source file='/d' index='1'/>"), "attribute index"),
            (disk(more: "<readonly>x</readonly>"), "text in <readonly>"),
            (devices("<interface type='user'><target dev='t'/></interface>"), "element <target>"),
            (devices("<serial type='unix'><source path='/s'/></serial>"), "element <source>"),
            (domain("<os><type>hvm</type><bootmenu/></os>"), "element <bootmenu>"),
            (domain("<os firmware='efi'><type>hvm</type></os>"), "attribute firmware"),
            (domain("<cpu mode='maximum'><feature/></cpu>"), "element <feature>"),
            (domain("<cpu mode='maximum'><model>x</model></cpu>"), "element <model>"),
            (domain("<cpu mode='host-model'/>"), "mode=\"host-model\""),
            (domain("<cpu match='minimum'><model>x</model></cpu>"), "match=\"minimum\""),
            (domain("text"), "text in <domain>"),
            (
                domain("<q:commandline xmlns:q='urn:q'/>"), "element <q:commandline>"
            ),
            (domain("<currentMemory>262144</currentMemory>"), "<currentMemory>"),
            (domain("", type: "xen"), "type=\"xen\""),
            (devices("<disk type='block'/>"), "type=\"block\""),
            (devices("<disk type='file' device='cdrom'/>"), "device=\"cdrom\""),
            (devices("<interface type='network'/>"), "type=\"network\""),
            (devices("<rng model='virtio'><backend model='egd'/></rng>"), "model=\"egd\""),
            ("<network/>", "element <network>"),
        ])
    func nested(text: String, named: String) {
        let error = refusal(of: text)
        #expect(error?.code == .xmlUnsupported, "\(String(describing: error))")
        #expect(error?.what.contains(named) == true, "\(String(describing: error))")
        #expect(error?.place.hasPrefix("vm.xml:") == true)
    }

    // Breaks when a bad value gets through, or with the wrong code or place.
    @Test(
        "a bad value is refused at its place",
        arguments: [
            (disk(source: "<source file='d'/>"), ErrorCode.xmlSchema, "2:56"),
            (disk(source: "<source file='/a/../d'/>"), .xmlSchema, "2:56"),
            (disk(source: "<source file='/a&#10;'/>"), .xmlSchema, "2:56"),
            (disk(source: "<source/>"), .xmlSchema, "2:48"),
            (disk(source: ""), .xmlSchema, "2:10"),
            (disk(driver: ""), .xmlSchema, "2:10"),
            (disk(driver: "<driver/>"), .xmlSchema, "2:28"),
            (disk(driver: "<driver type='vmdk'/>"), .xmlUnsupported, "2:36"),
            (disk(driver: "<driver type='raw' cache='fast'/>"), .xmlUnsupported, "2:47"),
            (disk(target: "<target dev='sda' bus='scsi'/>"), .xmlUnsupported, "2:85"),
            (disk(target: "<target dev='sda'/>"), .xmlSchema, "2:67"),
            (disk(target: "<target dev='vd,a' bus='virtio'/>"), .xmlSchema, "2:75"),
            (devices("<interface type='bridge'/>"), .xmlSchema, "2:10"),
            (
                devices("<interface type='bridge'><source bridge='-x'/></interface>"), .xmlSchema,
                "2:43"
            ),
            (
                devices("<interface type='user'><mac address='01:00:00:00:00:01'/></interface>"),
                .xmlSchema, "2:38"
            ),
            (
                devices("<interface type='user'><mac address='52:54:0:0:0:1'/></interface>"),
                .xmlSchema, "2:38"
            ),
            (devices("<channel type='spicevmc'/>"), .device, "2:10"),
            (
                devices("<console type='pty'><target type='virtio'/></console>"), .device, "2:38"
            ),
            (devices("<serial type='pty'><target port='1'/></serial>"), .xmlUnsupported, "2:37"),
            (
                devices(String(repeating: "<serial type='pty'/>", count: 5)), .device, "2:90"
            ),
            (devices("<serial type='tcp'/>"), .xmlUnsupported, "2:18"),
            (devices("<emulator>qemu</emulator>"), .xmlSchema, "2:10"),
            (devices("<emulator>/a</emulator><emulator>/b</emulator>"), .xmlSchema, "2:33"),
            (domain("<vcpu>1</vcpu>"), .xmlSchema, "2:1"),
            (domain("<os/>"), .xmlSchema, "2:1"),
            (domain("<os><type>xen</type></os>"), .xmlUnsupported, "2:5"),
            (domain("<os><type machine='q35,accel=tcg'>hvm</type></os>"), .xmlSchema, "2:11"),
            (domain("<os><type>hvm</type><initrd>/i</initrd></os>"), .xmlSchema, "2:1"),
            (domain("<os><type>hvm</type><boot dev='fd'/></os>"), .xmlUnsupported, "2:27"),
            (
                domain("<os><type>hvm</type><boot dev='hd'/><boot dev='hd'/></os>"), .xmlSchema,
                "2:43"
            ),
            (domain("<cpu/>"), .xmlSchema, "2:1"),
            (domain("<cpu><model>a,+b</model></cpu>"), .xmlSchema, "2:6"),
            ("<domain/>", .xmlSchema, "1:1"), ("<domain type='kvm'/>", .xmlSchema, "1:1"),
        ])
    func values(text: String, code: ErrorCode, place: String) {
        let error = refusal(of: text)
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.place == "vm.xml:\(place)", "\(String(describing: error))")
    }

    // Breaks when a number overflows, is rounded, or is read beyond its limits.
    @Test(
        "a bad name or number has its own code",
        arguments: [
            ("<memory>524288</memory>", "<memory>-1</memory>", ErrorCode.size),
            ("<memory>524288</memory>", "<memory>1.5</memory>", .size),
            ("<memory>524288</memory>", "<memory></memory>", .size),
            ("<memory>524288</memory>", "<memory unit='Ki'>524288</memory>", .size),
            ("<memory>524288</memory>", "<memory>1023</memory>", .size),
            ("<memory>524288</memory>", "<memory>1025</memory>", .size),
            ("<memory>524288</memory>", "<memory unit='T'>17</memory>", .size),
            ("<memory>524288</memory>", "<memory unit='T'>16777217</memory>", .size),
            ("<memory>524288</memory>", "<memory>99999999999999999999</memory>", .size),
            ("<vcpu>2</vcpu>", "<vcpu>0</vcpu>", .range),
            ("<vcpu>2</vcpu>", "<vcpu>513</vcpu>", .range),
            ("<vcpu>2</vcpu>", "<vcpu>+2</vcpu>", .range),
            ("<vcpu>2</vcpu>", "<vcpu>99999999999999999999</vcpu>", .range),
            ("<name>web1</name>", "<name>a/b</name>", .vmName),
            ("<name>web1</name>", "<name>..</name>", .vmName),
            ("<name>web1</name>", "<name/>", .vmName),
            ("<uuid>\(uuidText)</uuid>", "<uuid>1</uuid>", .xmlSchema),
        ])
    func numbers(from: String, to: String, code: ErrorCode) {
        let error = refusal(of: domain("").replacing(from, with: to))
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.place.hasPrefix("vm.xml:1:") == true)
    }
}

@Suite("Schema of definitions")
struct SchemaAgreementTests {
    private static let interface = "<interface type='bridge'><source bridge='b'/></interface>"

    // Breaks when the schema that other tools use and the decoder disagree on structure.
    @Test(
        "schema and decoder agree",
        arguments: [
            (domain(""), true), (domain("", type: "synthetic"), true),
            (domain("", type: "x"), false),
            (domain("<os><boot dev='hd'/><type>hvm</type><boot dev='cdrom'/></os>"), true),
            (domain("<os><boot dev='fd'/><type>hvm</type></os>"), false),
            (domain("<os><kernel>/k</kernel></os>"), false),
            (domain("<os><type>hvm</type><kernel>k</kernel></os>"), false),
            (domain("<os><type>hvm</type><kernel/></os>"), false),
            (domain("<cpu mode='maximum'/>"), true), (domain("<cpu/>"), false),
            (domain("<cpu><model>x</model></cpu>"), true),
            (domain("<cpu mode='maximum'><model>x</model></cpu>"), false),
            (domain("<cpu mode='host-model'/>"), false), (domain("<clock/>"), false),
            (domain("<vcpu>1</vcpu>"), false), (domain("<devices/><devices/>"), false),
            (domain("text"), false), (devices(""), true), (devices("<hostdev/>"), false),
            (devices("<channel type='unix'/>"), false),
            (devices(interface + "<interface type='user'/>" + interface), true),
            (devices("<interface type='user'><model type='e1000'/></interface>"), false),
            (devices("<interface type='user'><source bridge='b'/></interface>"), false),
            (devices("<interface type='bridge'/>"), false),
            (
                devices(
                    "<interface type='bridge'><model type='virtio'/><source bridge='b'/>"
                        + "<mac address='52:54:00:00:00:01'/></interface>"), true
            ),
            (disk(), true), (disk(more: "<readonly/>"), true), (disk(more: "<shareable/>"), false),
            (disk(target: "<target dev='vda'/>"), true),
            (disk(target: "<target dev='sda'/>"), false),
            (disk(target: "<target dev='sda' bus='virtio'/>"), true), (disk(source: ""), false),
            (disk(source: "<source file='d'/>"), false), (disk(driver: ""), false),
            (devices("<serial type='pty'/><console type='pty'/><serial type='unix'/>"), true),
            (devices("<serial/>"), false), (devices("<serial type='tcp'/>"), false),
            (devices("<console type='pty'/><console type='pty'/>"), false),
            (
                devices("<rng model='virtio'><backend model='random'>/dev/random</backend></rng>"),
                true
            ),
            (devices("<rng model='virtio'/>"), false), (devices("<emulator>/q</emulator>"), true),
            (devices("<emulator/>"), false), ("<domain/>", false), ("<network/>", false),
            (domain("<metadata/>"), true), (domain("<metadata>text</metadata>"), false),
            (policy(""), true), (policy("", attributes: " priority='high'"), true),
            (policy("", attributes: " priority='9999'"), true),
            (policy("", attributes: " priority='10000'"), false),
            (policy("<drain action='save'/><prefer host='b'/><prefer host='c'/>"), true),
            (policy("<prefer host='b'/><drain fallback='stop'/><forbid host='d'/>"), true),
            (policy("<drain action='save'/><drain/>"), false),
            (policy("<drain action='suspend'/>"), false), (policy("<prefer host=''/>"), false),
            (policy("<affinity group='web'/><antiAffinity group='db' required='no'/>"), true),
            (policy("<affinity group='a b'/>"), false), (policy("<affinity/>"), false),
            (policy("<antiAffinity group='db' required='maybe'/>"), false),
            (policy("<spread/>"), false),
            (domain("<metadata><policy/></metadata>"), false),
            (domain("<metadata><policy xmlns='urn:other'/></metadata>"), false),
            (domain("<metadata><o:os xmlns:o='urn:other'/></metadata>"), false),
        ])
    func agreement(text: String, isAccepted: Bool) throws {
        let document = try XMLDocument(bytes: Array(text.utf8), name: "vm.xml")
        var bySchema = true
        do throws(LivemigError) {
            try VMDefinitionDocument.schema.validate(document)
        } catch {
            #expect(error.code == .xmlSchema)
            bySchema = false
        }
        let decoder = DomainDecoder(generatedUUID: nil)
        let byDecoder = (try? decoder.definition(document.root)) != nil
        #expect(bySchema == isAccepted, "schema")
        #expect(byDecoder == isAccepted, "decoder")
    }
}
