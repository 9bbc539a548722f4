import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What the system lets the processes of a host do, as proc(5) tells.
@Suite(.serialized) struct ConfinementTests {
    /// A field of a process's status, such as `Seccomp`.
    private func status(_ process: Int32, _ field: String) -> String {
        let lines = ProcessFiles.text("/proc/\(process)/status").split(separator: "\n")
        let line = lines.first { $0.hasPrefix(field + ":") } ?? ""
        return line.dropFirst(field.count + 1).trimmingSpaces
    }

    private func coreLimit(_ process: Int32) -> [Substring] {
        let lines = ProcessFiles.text("/proc/\(process)/limits").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("Max core file size") } ?? ""
        return line.dropFirst("Max core file size".count).split(separator: " ").prefix(2).map { $0 }
    }

    private func links(_ folder: String) -> [String] {
        TreeListing.names(in: folder).map { ProcessFiles.target("\(folder)/\($0)") }
    }

    private func process(_ host: TestHost, with word: String) throws -> Int32 {
        let found = host.processIDs(with: word)
        #expect(found.count == 1, "\(word): \(host.processes)")
        return try #require(found.first)
    }

    // Breaks when a process that sees guest memory may dump core, gain privileges, make files that
    // others read, or keeps a folder or file of its caller open.
    @Test(.timeLimit(.minutes(1))) func agentsGuardiansAndGuests() throws {
        let hosts = try TwoHosts()
        try hosts.start("fill=4MiB")
        let agent = try hosts.alpha.agent()
        defer { _ = try? agent.close() }
        for word in [" serve ", " guard ", "livemig-synthetic-guest"] {
            let id = try process(hosts.alpha, with: word)
            #expect(coreLimit(id) == ["0", "0"], "\(word)")
            #expect(status(id, "NoNewPrivs") == "1", "\(word)")
            #expect(status(id, "Umask") == "0077", "\(word)")
            #expect(ProcessFiles.target("/proc/\(id)/cwd") == "/", "\(word)")
        }
    }

    /// A guest in QEMU that can be powered on with a kind of network.
    static let networks = ["", #"<interface type="user"><model type="virtio"/></interface>"#]

    // Breaks when QEMU runs without its system call filter, or with it cannot be powered on. Moves
    // of guests with networks in such a QEMU are what NetworkMoveTests is about.
    @Test(.timeLimit(.minutes(1)), arguments: networks) func hypervisor(_ network: String) throws {
        let hosts = try TwoHosts(trusting: false)
        try hosts.start(document: IdleGuest.definition(network))
        let id = try process(hosts.alpha, with: "qemu-system")
        #expect(status(id, "Seccomp") == "2")
        #expect(status(id, "NoNewPrivs") == "1")
        #expect(coreLimit(id) == ["0", "0"])
        #expect(ProcessFiles.target("/proc/\(id)/cwd") == "/")
        let folder = "\(hosts.alpha.root)/vms/guest"
        for name in TreeListing.names(in: folder) {
            var file = stat()
            try #require(unsafe lstat("\(folder)/\(name)", &file) == 0)
            let kind = file.st_mode & S_IFMT
            #expect(file.st_mode & 0o077 == 0, "\(name)")
            #expect(kind != S_IFREG || file.st_mode & 0o7777 == 0o600, "\(name)")
            #expect([S_IFREG, S_IFSOCK].contains(kind) || name == "run", "\(name)")
        }
        for path in ["", "/vms", "/keys", "/vms/guest", "/vms/guest/run"] {
            var file = stat()
            try #require(unsafe stat(hosts.alpha.root + path, &file) == 0)
            #expect(file.st_mode & 0o7777 == 0o700, "\(path)")
        }
    }

    // Breaks when an agent uses descriptors that its caller left open.
    @Test(.timeLimit(.minutes(1))) func strangeDescriptorsAreClosed() throws {
        let host = try TestHost("alpha")
        try host.ssh.folder.write("x", to: "left-open")
        let file = try OwnedDescriptor.open(host.ssh.folder.path("left-open"), O_RDONLY)
        let agent = try CrashedProgram(
            BuildProducts.program("livemig-agent"), ["serve", "--root", host.root],
            descriptors: [7: file.number, 300: file.number])
        try agent.waitForOutput()
        let open = links("/proc/\(agent.id)/fd")
        #expect(open.count >= 3)
        #expect(!open.contains { $0.hasSuffix("left-open") }, "\(open)")
        agent.signal(SIGKILL)
    }

    // Breaks when another process of an agent's user can look at the agent's memory, or when an
    // agent that hides it cannot find out any more whether it may track writes. Needs root.
    @Test(.timeLimit(.minutes(1))) func memoryIsHiddenFromTheSameUser() throws {
        let nobody: UInt32 = 65534
        let folder = try ScratchFolder()
        try #require(unsafe chmod(folder.path, 0o711) == 0)
        try #require(unsafe mkdir(folder.path("low"), 0o700) == 0)
        try #require(unsafe chown(folder.path("low"), nobody, nobody) == 0)
        let agent = try CrashedProgram(
            Tool.path("setpriv", package: "util-linux"),
            [
                "--reuid=\(nobody)", "--regid=\(nobody)", "--clear-groups",
                BuildProducts.program("livemig-agent"), "serve", "--root", folder.path("low/r"),
            ])
        try agent.waitForOutput()
        var owner = stat()
        #expect(unsafe stat("/proc/\(agent.id)/environ", &owner) == 0)
        #expect(status(agent.id, "Uid").hasPrefix("65534"))
        // proc(5): the files of a process that is not dumpable belong to root.
        #expect(owner.st_uid == 0)
        agent.signal(SIGKILL)
    }

    static let crashes = [SIGSEGV, SIGABRT, SIGILL, SIGBUS]

    // Breaks when a crash prints registers, stacks or anything else, or leaves a core file, even
    // where the environment asks for a report.
    @Test(.timeLimit(.minutes(2)), arguments: ["livemig-agent", "livemig"], crashes)
    func crashesSayNothing(_ program: String, _ signal: CInt) throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB")
        let arguments =
            program == "livemig"
            ? ["vm", "console", "guest", "--inventory", someone.folder.path("hosts.xml")]
            : ["serve", "--root", hosts.beta.root]
        let victim = try CrashedProgram(try BuildProducts.program(program), arguments)
        if program == "livemig" {
            try expectSoon(within: .seconds(20)) {
                !hosts.alpha.processIDs(with: " serve ").isEmpty
            }
        } else {
            try victim.waitForOutput()
        }
        victim.signal(signal)
        #expect(try victim.wait() == 128 + signal)
        #expect(victim.errors == "", "\(victim.errors)")
        #expect(victim.coreFiles == [])
    }

    // Breaks when the crash of a guardian or of a reference guest is reported in their logs.
    @Test(.timeLimit(.minutes(1)), arguments: ["livemig-synthetic-guest", " guard "])
    func crashesOfChildrenSayNothing(_ word: String) throws {
        let hosts = try TwoHosts(trusting: false)
        try hosts.start("fill=4MiB")
        let id = try process(hosts.alpha, with: word)
        let before = hosts.alpha.log
        kill(id, SIGSEGV)
        try expectSoon(within: .seconds(20)) { kill(id, 0) != 0 }
        for text in [
            hosts.alpha.log.dropFirst(before.count).description, hosts.alpha.hypervisorLog,
        ] {
            for trace in ["rashed", "Thread 0", "Registers", "Fatal error", "0x0000"] {
                #expect(!text.contains(trace), "\(text)")
            }
        }
    }
}

/// A program that is about to crash, with everything around it that would make a crash talk.
final class CrashedProgram {
    private let process: ChildProcess
    private let folder: ScratchFolder
    private let output: OwnedDescriptor
    private let input: OwnedDescriptor
    private let rootBefore: Set<String>

    init(_ program: String, _ arguments: [String], descriptors: [CInt: CInt] = [:]) throws {
        folder = try ScratchFolder()
        rootBefore = Self.cores(in: "/")
        let errors = try OwnedDescriptor.open(folder.path("err"), O_WRONLY | O_CREAT | O_APPEND)
        let (reader, writer) = try OwnedDescriptor.pipe().release()
        output = OwnedDescriptor(owning: reader)
        let writing = OwnedDescriptor(owning: writer)
        let (inReader, inWriter) = try OwnedDescriptor.pipe().release()
        let reading = OwnedDescriptor(owning: inReader)
        input = OwnedDescriptor(owning: inWriter)
        let prlimit = try Tool.path("prlimit", package: "util-linux")
        process = try ChildProcess(
            .init(
                prlimit, ["--core=unlimited:unlimited", program] + arguments,
                environment: [
                    "PATH": "/usr/bin:/bin", "HOME": folder.path,
                    "SWIFT_BACKTRACE": "enable=yes,color=no,interactive=no,output-to=stderr",
                ],
                descriptors: descriptors.merging(
                    [0: reading.number, 1: writing.number, 2: errors.number]) { $1 }))
    }

    deinit {
        process.signal(SIGKILL)
        _ = process.wait()
    }

    var id: Int32 { process.id }

    /// What it wrote to standard error.
    var errors: String { folder.read("err") }

    /// The core files that are there since, in `/`, where agents live, and beside the output.
    var coreFiles: [String] {
        Array(Self.cores(in: "/").subtracting(rootBefore)) + Array(Self.cores(in: folder.path))
    }

    /// Waits until it has written something, which it does once it works.
    func waitForOutput() throws {
        let ready = try Poll.wait([.init(output.number)], timeout: .seconds(20))
        #expect(!ready.isEmpty, "\(errors)")
    }

    func signal(_ number: CInt) { process.signal(number) }

    /// Waits for the end, at most for 30 s; a crash report takes some.
    func wait() throws -> Int32 {
        let ready = try Poll.wait([.init(process.handle.number)], timeout: .seconds(30))
        if ready.isEmpty { process.signal(SIGKILL) }
        return process.wait()
    }

    private static func cores(in folder: String) -> Set<String> {
        Set(TreeListing.names(in: folder).filter { $0.hasPrefix("core") })
    }
}

extension TestHost {
    /// What the guest's hypervisor printed.
    var hypervisorLog: String { ProcessFiles.text(root + "/vms/guest/hypervisor.log") }
}

extension StringProtocol {
    fileprivate var trimmingSpaces: String {
        split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

/// The QEMU that a move starts is confined as the one that a power-on starts.
@Suite(.serialized) struct ConfinedMoveTests {
    // Breaks when a destination's QEMU runs without its filter, or with it cannot take in a guest
    // with a network.
    @Test(.timeLimit(.minutes(1))) func userNetwork() throws {
        let hosts = try TwoHosts()
        try move(hosts, #"<interface type="user"><model type="virtio"/></interface>"#)
    }

    // Breaks as above: the tap device is made outside of the filter and handed in. Needs root.
    @Test(.timeLimit(.minutes(1))) func tapNetwork() throws {
        let network = try GuestNetwork()
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: network.alpha, address: GuestNetwork.alphaAddress),
            beta: TestHost("beta", in: network.beta, address: GuestNetwork.betaAddress))
        try move(hosts, GuestNetwork.element)
    }

    private func move(_ hosts: TwoHosts, _ devices: String) throws {
        try hosts.start(document: IdleGuest.definition(devices))
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        #expect(try hosts.summary(on: hosts.beta).state == .running)
        let found = hosts.beta.processIDs(with: "qemu-system")
        #expect(found.count == 1)
        for id in found {
            let status = ProcessFiles.text("/proc/\(id)/status").split(separator: "\n")
            #expect(status.contains("Seccomp:\t2"))
            #expect(status.contains("NoNewPrivs:\t1"))
        }
    }
}
