import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// `livemig vm console`, and guests whose consoles are read slowly or not at all.
@Suite(.serialized) struct ConsoleTests {
    private static let workload = "fill=1MiB rate=1MiB/s beat=10"

    private static func size(of file: String) -> Int {
        var status = stat()
        return unsafe stat(file, &status) == 0 ? status.st_size : 0
    }

    // Breaks when somebody who does not read the console of a Linux guest stalls it, or leaves its
    // port dead after a move, or after it was saved and restored.
    @Test(.timeLimit(.minutes(2))) func aPortSurvivesAReaderThatDoesNotRead() throws {
        let hosts = try TwoHosts()
        try hosts.startLinux("lm.fill=16 lm.ws=4 lm.rate=1 lm.beat=10")
        let idle = try hosts.alpha.console("guest", .watch, room: 4096)
        defer { withExtendedLifetime(idle) {} }
        let first = try hosts.alpha.nextBeat()
        let log = hosts.alpha.root + "/vms/guest/console.log"
        let size = Self.size(of: log)
        // More than the socket holds: the reader is stuck.
        try expectSoon(within: .seconds(30)) {
            Self.size(of: log) > size + (16 << 10)
        }
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        let moved = try hosts.beta.expectProgress(since: first)
        let someone = try Operator(hosts)
        let stuck = try hosts.beta.console("guest", .watch, room: 4096)
        defer { withExtendedLifetime(stuck) {} }
        try someone.succeed("vm", "save", "beta/guest")
        try someone.succeed("vm", "start", "beta/guest")
        try hosts.beta.expectProgress(since: moved)
    }

    // Breaks when the command goes on without a reader of its output.
    @Test(.timeLimit(.minutes(1))) func endsWithItsReader() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let pipe = try OwnedDescriptor.pipe()
        let command = try someone.begin(
            ["vm", "console", "guest"], streams: [1: pipe.second.number])
        let ends = pipe.release()
        close(ends.second)
        _ = try DescriptorIO.readAvailable(upTo: 64, from: ends.first)
        close(ends.first)
        #expect(try command.finish().status == 0)
    }

    // Breaks when a signal does not end a console whose output nobody takes.
    @Test(.timeLimit(.minutes(1)), arguments: [SIGTERM, SIGHUP, SIGINT])
    func endsBySignal(_ number: CInt) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let pipe = try OwnedDescriptor.pipe()
        // A pipe that is full from the start.
        let full = [UInt8](repeating: 0x2E, count: 64 << 10)
        try DescriptorIO.write(full, to: pipe.second.number)
        let command = try someone.begin(
            ["vm", "console", "guest"], streams: [1: pipe.second.number])
        // The connection is there once another one is told of it.
        try expectSoon(within: .seconds(20)) { try hosts.alpha.others(at: "guest") > 0 }
        let sent = MonotonicTime.now
        command.signal(number)
        #expect(try command.finish().status == 0)
        #expect(sent.elapsed < .seconds(10))
    }

    // Breaks when a console does not go along with its guest, or does not say where it went.
    @Test(.timeLimit(.minutes(1))) func followsAMove() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let console = try someone.begin(["vm", "console", "guest"])
        try console.wait(for: "beat=")
        try someone.succeed("move", "guest", "--to", "beta")
        try expectSoon(within: .seconds(10)) { console.errors.contains("VM guest moved to beta") }
        let before = console.output.utf8.count
        try expectSoon(within: .seconds(10)) { console.output.utf8.count > before }
        try someone.succeed("vm", "stop", "guest")
        let result = try console.finish()
        #expect(
            result.status == 0 && result.errors.contains("VM guest is off on beta"), "\(result)")
    }

    // Breaks when what a terminal answers to a guest's bytes is left to the shell.
    @Test(.timeLimit(.minutes(1))) func answersOfTheTerminal() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let terminal = try Terminal()
        let console = try someone.begin(["vm", "console", "guest"], streams: [0: terminal.number])
        try console.wait(for: "beat=")
        try terminal.type("\u{1D}")
        for _ in 0..<5 {
            try terminal.type("\u{1B}[24;80R\n")
            usleep(5_000)
        }
        #expect(try console.finish().status == 0)
        let isLeft = terminal.hasInput
        #expect(!isLeft)
    }

    // Breaks when a console of a guest whose guardian dies ends as if the guest were off, or when
    // the next guardian does not read the port.
    @Test(.timeLimit(.minutes(1)), arguments: GuestKind.allCases)
    func aGuardianThatDies(_ kind: GuestKind) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        switch kind {
        case .synthetic: try hosts.start(Self.workload)
        case .linux: try hosts.startLinux("lm.fill=16 lm.ws=4 lm.rate=1 lm.beat=50")
        }
        let beat = try hosts.alpha.nextBeat()
        let console = try someone.begin(["vm", "console", "guest"])
        try console.wait(for: "beat=")
        try hosts.alpha.killGuardian()
        try console.finish().expect(.disconnected, "livemig recover guest")
        try hosts.expectRecovered()
        try hosts.alpha.expectProgress(since: beat)
    }
}

extension TestHost {
    /// How many users a guest's console has.
    fileprivate func others(at vm: String) throws -> Int {
        let agent = try agent()
        let opened = try agent.request(
            AttachConsole(name: try VMName(vm), access: .watch), for: ConsoleOpened.self)
        return Int(opened.others)
    }
}
