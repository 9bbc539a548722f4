import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What a guest that has broken out of its hypervisor does to its host: to the folder that it may
/// write, and to what the host believes of it.
@Suite(.serialized) struct BrokenOutGuestTests {
    private func folder(_ host: TestHost) -> String { "\(host.root)/vms/guest" }

    private func guests(_ host: TestHost) -> [Int32] {
        host.processIDs(with: "livemig-synthetic-guest")
    }

    /// Runs a program as whoever broke out.
    private func attack(_ script: String, in folder: String) throws {
        let (status, output) = try Tool.outcome("/bin/sh", ["-c", "cd \(folder) && \(script)"])
        try #require(status == 0, "\(output)")
    }

    // Breaks when a hypervisor counts as gone because its sockets are, so that its VM is started a
    // second time, removed or given away.
    @Test(.timeLimit(.minutes(1)), arguments: ["rm -r *", "rm memory.sock && touch memory.sock"])
    func hiddenSockets(_ script: String) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB")
        let guest = guests(hosts.alpha)
        try hosts.alpha.killGuardian()
        try attack(script, in: folder(hosts.alpha) + "/run")
        #expect(try hosts.summary(on: hosts.alpha).state == .unknown)
        #expect(try someone.run("vm", "start", "guest").status != 0)
        try someone.run("vm", "remove", "guest").expect(.busy)
        _ = try hosts.alpha.recover("guest")
        #expect(guests(hosts.alpha) == guest)
        // It can be ended for all that, and is itself again then.
        try someone.succeed("vm", "stop", "guest")
        #expect(guests(hosts.alpha) == [])
        try someone.succeed("vm", "start", "guest")
        #expect(guests(hosts.alpha).count == 1)
    }

    // Breaks when a stranger's listener makes a hypervisor that has ended look alive, which would
    // keep its VM from ever being started.
    @Test(.timeLimit(.minutes(1))) func falseLife() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB")
        try hosts.alpha.killGuardian()
        for id in guests(hosts.alpha) { kill(id, SIGKILL) }
        try expectSoon(within: .seconds(5)) { guests(hosts.alpha) == [] }
        let path = folder(hosts.alpha) + "/run/memory.sock"
        let listener = try UnixSocket.listen(path, .packets)
        try someone.succeed("vm", "start", "guest")
        #expect(guests(hosts.alpha).count == 1)
        _ = consume listener
    }

    // Breaks when a folder that a guest has left keeps its VM from being removed, or from leaving.
    @Test(.timeLimit(.minutes(1))) func foldersInTheWay() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB")
        let mess = "mkdir -p a/b/c && touch a/b/c/d && ln -s / root && mkfifo a/p"
        try attack(mess, in: folder(hosts.alpha) + "/run")
        #expect(try hosts.move(from: hosts.alpha, to: hosts.beta).0.isRunning)
        try expectSoon(within: .seconds(5)) { hosts.alpha.leftovers == [] }
        #expect(TreeListing.names(in: folder(hosts.alpha)) == ["ownership"])
        try attack(mess, in: folder(hosts.beta) + "/run")
        try someone.succeed("vm", "stop", "guest")
        try attack("mkdir -p run left && cd run && \(mess)", in: folder(hosts.beta))
        try someone.succeed("vm", "remove", "guest")
        #expect(unsafe access(folder(hosts.beta), F_OK) != 0)
    }

    // Breaks when a hypervisor runs before it is known which process it is: whoever started it may
    // die in between, and the next start would be a second one.
    @Test(.timeLimit(.minutes(1))) func gate() throws {
        let scratch = try ScratchFolder()
        let runner = try RunningProgram.path()
        let agent = try BuildProducts.program("livemig-agent")
        _ = runner
        let library =
            agent.split(separator: "/").dropLast().map { "/" + $0 }.joined()
            + "/libguestmemory.so"
        let pipe = try OwnedDescriptor.pipe()
        let log = try OwnedDescriptor.open(scratch.path("log"), O_WRONLY | O_CREAT)
        let command = ChildProcess.Command(
            "/bin/echo", ["it runs"],
            environment: [
                "LD_PRELOAD": library, "LIVEMIG_MEMORY_SOCKET": scratch.path("s"),
                "LIVEMIG_MEMORY_DESCRIPTOR": "1", "LIVEMIG_MEMORY_GATE": "63",
            ], descriptors: [1: log.number, 63: pipe.first.number])
        let waiting = try ChildProcess(command)
        #expect(try Poll.wait([.init(waiting.handle.number)], timeout: .milliseconds(300)).isEmpty)
        #expect(scratch.read("log") == "")
        try DescriptorIO.write([1], to: pipe.second.number)
        #expect(waiting.wait() == 0)
        #expect(scratch.read("log") == "it runs\n")
        let orphaned = try ChildProcess(command)
        _ = consume pipe
        #expect(orphaned.wait() == 127)
        #expect(scratch.read("log") == "it runs\n")
    }
}
