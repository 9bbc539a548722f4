import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Hosts that are not what the inventory says, cannot be logged in to, or run something else.
@Suite(.serialized) struct BadTrustTests {
    // Breaks when a source that may not open lanes, or whose forced command says something else or
    // does not start, does not hear why, keeps a copy on the destination, or cannot move afterwards.
    @Test(.timeLimit(.minutes(2))) func lanesWithoutTrust() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        func expectTrustAdvice() throws {
            let move = try someone.run("move", "guest", "--to", "beta")
            move.expect(.authentication, "run livemig host trust alpha beta")
            #expect(move.status == 4)
            move.expectRunning(on: "alpha")
            try hosts.expectUntouched()
        }
        try expectTrustAdvice()
        try someone.succeed("host", "trust", "alpha", "beta")
        let keys = hosts.beta.ssh.folder.read("authorized_keys")
        let lines = keys.split(separator: "\n").map(String.init)
        let others = lines.filter { !$0.contains("livemig:") }
        #expect(others.count == 1 && lines.count == 3, "\(keys)")
        try hosts.beta.ssh.folder.write(
            others.joined(separator: "\n") + "\n", to: "authorized_keys")
        try expectTrustAdvice()

        let noisy = lines.map { $0.replacing("command=\"", with: "command=\"echo Welcome; ") }
        try hosts.beta.ssh.folder.write(noisy.joined(separator: "\n") + "\n", to: "authorized_keys")
        let greeted = try someone.run("move", "guest", "--to", "beta")
        greeted.expect(.hello, #"got "Welcome""#, "beta", "start-up files")
        greeted.expectRunning(on: "alpha")
        try hosts.expectUntouched()

        let gone = lines.map { $0.replacing("command=\"", with: "command=\"/nonexistent") }
        try hosts.beta.ssh.folder.write(gone.joined(separator: "\n") + "\n", to: "authorized_keys")
        let unanswered = try someone.run("move", "guest", "--to", "beta")
        unanswered.expect(.noAgent, "/nonexistent", "beta", "host trust")
        unanswered.expectRunning(on: "alpha")
        try hosts.expectUntouched()
        try hosts.beta.ssh.folder.write(keys, to: "authorized_keys")
        try someone.succeed("move", "guest", "--to", "beta")
    }

    // Breaks when a host whose agent may not track writes is told that its kernel is too old, or a
    // move away from it begins.
    @Test(.timeLimit(.minutes(1))) func agentWithoutPrivilege() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try addUnprivileged(hosts, someone)
        try someone.succeed("vm", "define", someone.definition("guest"), "--on", "low")
        try someone.succeed("vm", "start", "guest")
        defer { _ = try? someone.run("vm", "stop", "guest") }
        let check = try someone.succeed("host", "check", "low")
        #expect(
            check.output.contains("no: the kernel does not let the agent's user use userfaultfd"))
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(
            .kernel, "does not let the agent's user use userfaultfd", "low, Linux ",
            "/dev/userfaultfd")
        #expect(move.status == 3)
        move.expectRunning(on: "low")
        #expect(hosts.beta.leftovers == [])
        #expect(hosts.beta.processes == [])
        try someone.succeed("vm", "stop", "guest")
        try someone.succeed("vm", "remove", "guest")
    }

    /// Adds a host whose agents and guests run as nobody, who may read the programs of this build.
    private func addUnprivileged(_ hosts: TwoHosts, _ someone: Operator) throws {
        let nobody: UInt32 = 65534
        let folder = someone.folder
        try SystemCall.check("chmod") { unsafe chmod(folder.path, 0o711) }
        try SystemCall.check("mkdir") { unsafe mkdir(folder.path("low"), 0o700) }
        try SystemCall.check("chown") { unsafe chown(folder.path("low"), nobody, nobody) }
        let agent = try BuildProducts.program("livemig-agent")
        let wrapper = try someone.script(
            "low-agent",
            "exec setpriv --reuid=\(nobody) --regid=\(nobody) --clear-groups \(agent) \"$@\"\n")
        try someone.add(
            hosts.alpha, .init(name: "low", root: folder.path("low/r"), agent: wrapper))
    }
}
