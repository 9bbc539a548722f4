import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// What an operator can get wrong before anything moves: each has its code, its exit code and words
/// that help; the guest runs on, and nothing is left.
@Suite(.serialized) struct BadInputTests {
    // Breaks when a name, number or option that makes no sense is taken for something, or its
    // refusal disturbs a guest.
    @Test(.timeLimit(.minutes(2))) func namesAndOptions() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        func move(_ arguments: String...) throws -> CommandResult {
            try someone.begin(["move"] + arguments).finish()
        }
        try move("guest", "--to", "gamma").expect(.noHost, "gamma", "known: alpha beta")
        try move("nosuch", "--to", "beta").expect(.noVM, "nosuch", "known: guest")
        try move("guest", "--to", "alpha").expect(.alreadyThere, "alpha already")
        try move("alpha/guest", "--to", "alpha").expect(.sameHost)
        try move("guest", "--to", "beta", "--from", "beta").expect(.sameHost)
        try move("beta/guest", "--to", "alpha").expect(.alreadyThere)
        try move("guest", "--to=-oProxyCommand=x").expect(.hostName)
        try move("guest", "--to", "a b").expect(.hostName)
        try move("guest\u{1B}[2J", "--to", "beta").expect(.vmName, #"\u{1b}"#)
        try move(String(repeating: "x", count: 300), "--to", "beta").expect(.vmName)
        try move("guest", "--to", "beta", "--bandwidth", "10").expect(.size, "--bandwidth")
        try move("guest", "--to", "beta", "--max-downtime", "0s").expect(.range)
        try move("guest", "--to", "beta", "--max-downtime", "2h").expect(.range)
        try move("guest", "--to", "beta", "--lanes", "17").expect(.range, "1 to 16")
        try move("guest", "--to", "beta", "--frobnicate").expect(.usage, "--frobnicate")
        try move("guest").expect(.usage, "--to")
        try move("-", "--to", "beta").expect(.usage, "standard input")
        #expect(try someone.run().status == 2)
        let dry = try move("guest", "--to", "beta", "--dry-run")
        #expect(dry.status == 0 && dry.lines.last == "would move. Nothing was changed.", "\(dry)")
        let json = try move("guest", "--to", "alpha", "--output", "json")
        let lines = try json.moveLines()
        #expect(lines.map(\.event) == ["error", "result"])
        #expect(lines.map(\.code) == ["E-ALREADY-THERE", "E-ALREADY-THERE"])
        #expect(lines.last?.vmIs == .init(state: "running", host: "alpha", epoch: 0))
        #expect(lines.last?.outcome == "refused")
        #expect(lines.last?.exitCode == json.status)
        try hosts.expectUntouched()
    }

    // Breaks when one root is taken for two hosts, a second VM of one identity is let in, or a
    // destination without the memory is found out too late.
    @Test(.timeLimit(.minutes(2))) func machinesInTheWay() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        try expectSameHost(hosts, someone)
        try someone.succeed("vm", "define", someone.definition("off"), "--on", "alpha")
        try someone.run("move", "off", "--to", "beta").expect(.notRunning, "vm start")
        try someone.run("vm", "define", someone.definition("off"), "--on", "alpha")
            .expect(.exists, "off")
        try someone.run("vm", "remove", "guest").expect(.busy, "vm stop")
        try someone.succeed("vm", "remove", "off")

        try someone.succeed("vm", "define", someone.definition("guest"), "--on", "beta")
        let name = try someone.run("move", "alpha/guest", "--to", "beta")
        name.expect(.duplicateVM, "another VM of that name", "beta")
        name.expectRunning(on: "alpha")
        try someone.succeed("vm", "remove", "beta/guest")
        let uuid = try hosts.summary(on: hosts.alpha).uuid
        try someone.succeed(
            "vm", "define", someone.definition("other", uuid: uuid), "--on", "beta")
        let identity = try someone.run("move", "guest", "--to", "beta")
        identity.expect(.duplicateVM, "the same VM", "other", "beta")
        identity.expectRunning(on: "alpha")
        try someone.succeed("vm", "remove", "beta/other")
        try hosts.expectUntouched()
    }

    private func expectSameHost(_ hosts: TwoHosts, _ someone: Operator) throws {
        let twins = [
            Operator.Entry(name: "twin"),
            Operator.Entry(name: "twin", address: "localhost", root: hosts.alpha.root + "/./"),
        ]
        for twin in twins {
            try someone.add(hosts.alpha, twin)
            let same = try someone.run("move", "alpha/guest", "--to", "twin")
            same.expect(.sameHost, "alpha and twin")
            same.expectRunning(on: "alpha")
            try someone.forget("twin")
        }
    }

    // Breaks when a guest that cannot fit is sent all the same, or how much is missing is not said.
    @Test(.timeLimit(.minutes(1))) func tooLittleMemory() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        // Guest RAM is allocated as it is written, so that a guest larger than the host can run.
        let need = Memory.totalMebibytes * 2
        try someone.succeed(
            "vm", "define", someone.definition("big", memory: need), "--on", "alpha")
        try someone.succeed("vm", "start", "big")
        let run = try someone.run("move", "big", "--to", "beta")
        run.expect(.memory, "needs \(ByteCount.mebibytes(UInt64(need)))", "free ", "beta")
        #expect(run.status == 13)
        run.expectRunning("big", on: "alpha")
        #expect(hosts.beta.leftovers == [])
        try someone.succeed("vm", "stop", "big")
        try someone.succeed("vm", "remove", "big")
        #expect(hosts.alpha.leftovers == [])
    }

    /// Documents that must be refused, and where.
    private static let documents: [(String, ErrorCode, String)] = [
        ("<domain type=\"qemu\">\n  <name>x</nom>\n</domain>", .xml, ":2:"),
        ("", .xml, ":1:"),
        (
            "<!DOCTYPE domain [<!ENTITY a \"b\">]>\n<domain type=\"qemu\"><name>&a;</name></domain>",
            .xmlDTD, ":1:"
        ),
        (
            "<domain type=\"synthetic\">\n<name>x</name><memory unit=\"MiB\">64</memory>\n"
                + "<vcpu>1</vcpu><os><type>hvm</type></os>\n<devices>\n  <hostdev mode=\"x\"/>\n"
                + "</devices></domain>", .xmlUnsupported, "<hostdev>"
        ),
    ]

    // Breaks when a document that is wrong is taken, or its error does not lead to the place.
    @Test(.timeLimit(.minutes(1))) func documents() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let file = someone.folder.path("bad.xml")
        func define(_ path: String) throws -> CommandResult {
            try someone.run("vm", "define", path, "--on", "alpha")
        }
        for (text, code, word) in Self.documents {
            try someone.folder.write(text, to: "bad.xml")
            try define(file).expect(code, "bad.xml:", word)
        }
        try someone.folder.write(Self.documents[3].0, to: "bad.xml")
        try define(file).expect(.xmlUnsupported, "bad.xml:5:3")
        try define(someone.folder.path("nosuch.xml")).expect(.file, "nosuch.xml")
        try define(someone.folder.path).expect(.fileType)
        try SystemCall.check("mkfifo") { unsafe mkfifo(someone.folder.path("fifo"), 0o600) }
        try define(someone.folder.path("fifo")).expect(.fileType)
        let large = "<!--" + String(repeating: "x", count: 1 << 20) + "-->"
        try someone.folder.write(large, to: "bad.xml")
        try define(file).expect(.xmlLimit)
        #expect(hosts.alpha.leftovers == [])
        #expect(hosts.alpha.processes == [])
    }

    // Breaks when a failing hypervisor is not quoted, or leaves a guardian, a file or a record that
    // stands in the way of the next start.
    @Test(.timeLimit(.minutes(2))) func hypervisorsThatFail() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        func define(_ machine: String, _ kernel: String, _ devices: String = "") throws {
            try someone.folder.write(
                try Self.linux(machine, kernel, devices), to: "guest.xml")
            try someone.succeed(
                "vm", "define", someone.folder.path("guest.xml"), "--on", "alpha")
        }
        try define("q35", "/nonexistent/vmlinuz")
        try someone.run("vm", "start", "guest").expect(.qemu, "could not open kernel file")
        try someone.succeed("vm", "remove", "guest")
        let kernel = try GuestImageFiles.path("vmlinuz")
        try define("pc-q35-99.0", kernel)
        try someone.run("vm", "start", "guest").expect(.machine, "pc-q35-99.0")
        try someone.succeed("vm", "remove", "guest")
        #expect(hosts.alpha.leftovers == [])
        #expect(hosts.alpha.processes == [])

        // Both hosts see one file system: what the destination lacks is taken away meanwhile.
        try someone.folder.write("", to: "disk.img")
        try SystemCall.check("truncate") {
            unsafe truncate(someone.folder.path("disk.img"), 1 << 20)
        }
        try SystemCall.check("symlink") {
            unsafe symlink(kernel, someone.folder.path("vmlinuz"))
        }
        try define("q35", someone.folder.path("vmlinuz"), Self.disk(someone))
        try someone.succeed("vm", "start", "guest")
        _ = unsafe unlink(someone.folder.path("vmlinuz"))
        let late = try someone.run("move", "guest", "--to", "beta")
        late.expect(.destinationQEMU, "could not open kernel file", "beta")
        late.expectRunning(on: "alpha")
        try hosts.expectUntouched()
        _ = unsafe unlink(someone.folder.path("disk.img"))
        let early = try someone.run("move", "guest", "--to", "beta")
        early.expect(.disk, "vda", "disk.img", "beta")
        early.expectRunning(on: "alpha")
        try hosts.expectUntouched()
    }

    private static func disk(_ someone: Operator) -> String {
        """
        <disk type="file" device="disk"><driver name="qemu" type="raw"/>
        <source file="\(someone.folder.path("disk.img"))"/><target dev="vda" bus="virtio"/></disk>
        """
    }

    private static func linux(
        _ machine: String, _ kernel: String, _ devices: String
    ) throws -> String {
        """
        <domain type="qemu"><name>guest</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
        <os><type arch="x86_64" machine="\(machine)">hvm</type><kernel>\(kernel)</kernel>
        <initrd>\(try GuestImageFiles.path("initramfs.cpio.gz"))</initrd>
        <cmdline>console=ttyS0 panic=-1 quiet</cmdline></os>
        <devices><serial type="pty"/>\(devices)</devices></domain>
        """
    }
}

/// The memory of this machine, in MiB (proc(5)).
enum Memory {
    /// All of it.
    static var totalMebibytes: Int { value("MemTotal") }

    /// What can be had of it.
    static var availableMebibytes: Int { value("MemAvailable") }

    private static func value(_ name: String) -> Int {
        let lines = ProcessFiles.text("/proc/meminfo").split(separator: "\n")
        let line = lines.first { $0.hasPrefix(name + ":") } ?? ""
        return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
    }
}
