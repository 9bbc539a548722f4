import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Hosts that are not what the inventory says, cannot be logged in to, or run something else.
@Suite(.serialized) struct BadTrustTests {
    /// A destination that does not work, and what the operator must read.
    private struct Wrong {
        var entry: Operator.Entry
        var code: ErrorCode
        var words: [String]
    }

    private static func wrongs(
        _ hosts: TwoHosts, _ someone: Operator
    ) throws -> [Wrong] {
        _ = try SSHServerFixture.makeKey(someone.folder, "stranger")
        let agent = try BuildProducts.program("livemig-agent")
        let old = try someone.script("old", "echo 'LIVEMIG agent 9 7.0'\ncat >/dev/null\n")
        let noisy = try someone.script("noisy", "echo Welcome to Debian\nexec \(agent) \"$@\"\n")
        return [
            Wrong(
                entry: .init(hostKey: hosts.alpha.ssh.hostKey), code: .hostKeyChanged,
                words: [hosts.alpha.ssh.hostKey, hosts.beta.ssh.hostKey, "possible attack"]),
            Wrong(
                entry: .init(identity: someone.folder.path("stranger")), code: .authentication,
                words: ["refused key SHA256:", "authorized_keys"]),
            Wrong(
                entry: .init(agent: "/nonexistent/livemig-agent"), code: .noAgent,
                words: ["/nonexistent/livemig-agent not found (exit 127)", "--agent"]),
            Wrong(entry: .init(agent: old), code: .version, words: ["agent 7.0", "protocol 9"]),
            Wrong(
                entry: .init(agent: noisy), code: .hello,
                words: [#"got "Welcome to Debian""#, "start-up files"]),
            Wrong(
                entry: .init(port: try SSHServerFixture.freePort()), code: .connect,
                words: ["refused", "check that sshd runs"]),
            Wrong(entry: .init(root: "/proc/livemig"), code: .root, words: ["/proc/livemig"]),
        ]
    }

    // Breaks when a host that cannot be used is used, its error does not say what to do, or the
    // guest's place is not told.
    @Test(.timeLimit(.minutes(2))) func wrongDestinations() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        for wrong in try Self.wrongs(hosts, someone) {
            var entry = wrong.entry
            entry.name = "wrong"
            try someone.add(hosts.beta, entry)
            let move = try someone.run("move", "alpha/guest", "--to", "wrong")
            move.expect(wrong.code, "wrong")
            for word in wrong.words { move.expect(wrong.code, word) }
            move.expectRunning(on: "alpha")
            try someone.run("host", "check", "wrong").expect(wrong.code)
            try someone.forget("wrong")
        }
        // As a source it cannot say whether it has the VM.
        try someone.add(hosts.beta, .init(name: "wrong", agent: "/nonexistent/livemig-agent"))
        try someone.run("move", "wrong/guest", "--to", "alpha").expect(.alreadyThere)
        try someone.run("move", "wrong/other", "--to", "alpha").expect(.noAgent)
        try hosts.expectUntouched()
    }

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
        #expect(others.count == 1 && lines.count == 2, "\(keys)")
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

    // Breaks when a host key that has changed is accepted, or the host is lost once it is back.
    @Test(.timeLimit(.minutes(1))) func hostKeyChangedSince() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        let folder = hosts.beta.ssh.folder
        let original = folder.read("host")
        let print = try SSHServerFixture.makeKey(folder, "second")
        try folder.write(folder.read("second"), to: "host")
        try restartServer(of: hosts.beta, time: 2)
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(.hostKeyChanged, print, hosts.beta.ssh.hostKey, "nothing was started")
        #expect(move.status == 4)
        move.expectRunning(on: "alpha")
        try hosts.expectUntouched()
        try folder.write(original, to: "host")
        try restartServer(of: hosts.beta, time: 3)
        try someone.succeed("move", "guest", "--to", "beta")
    }

    /// Makes a server read its keys again (sshd(8), SIGHUP).
    private func restartServer(of host: TestHost, time: Int) throws {
        kill(host.ssh.processID, SIGHUP)
        try expectSoon(within: .seconds(10)) {
            let lines = host.ssh.log.split(whereSeparator: \.isNewline)
            return lines.count { $0.hasPrefix("Server listening") } == time
        }
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
