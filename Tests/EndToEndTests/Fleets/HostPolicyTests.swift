import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What hosts allow, as their own settings say: the agents enforce it, whoever asks.
@Suite(.serialized) struct HostPolicyTests {
    private static let workload = "fill=16MiB rate=1MiB/s"

    /// A host's settings as scripts read them.
    private struct Settings: Decodable {
        let name: String
        let liveMigrationEnabled: Bool
        let liveMoves, storageMoves, outgoing, incoming: Int
        let memoryReserveBytes: UInt64
        let memoryReserveIsDefault: Bool
        let compression: String
        let anyNetwork: Bool
        let peers: [String]
    }

    // Breaks when a change is not there for the next connection, or changes something else.
    @Test(.timeLimit(.minutes(1))) func changedSettingsSurvive() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let before = try someone.succeed("host", "settings", "beta")
        #expect(before.lines.first == "live migration  enabled")
        let changed = try someone.succeed(
            "host", "settings", "beta", "--live-moves", "7", "--storage-moves", "3", "--disable",
            "--memory-reserve", "1GiB", "--compression", "zstd", "--allow-peer", "alpha")
        #expect(changed.lines.first == "live migration  disabled")
        #expect(try someone.succeed("host", "settings", "beta").output == changed.output)
        let json = try someone.succeed("host", "settings", "beta", "--output", "json")
        let settings = try #require(try json.decode(Settings.self).first)
        #expect(settings.name == "beta")
        #expect(!settings.liveMigrationEnabled)
        #expect([settings.liveMoves, settings.storageMoves] == [7, 3])
        #expect([settings.outgoing, settings.incoming] == [0, 0])
        #expect(settings.memoryReserveBytes == 1 << 30)
        #expect(!settings.memoryReserveIsDefault)
        #expect(settings.compression == "zstd")
        #expect(settings.anyNetwork)
        #expect(settings.peers == ["alpha"])
        let other = try someone.succeed("host", "settings", "alpha")
        #expect(other.output.contains("peers           all that are trusted"))
    }

    // Breaks when the second of two operators overwrites what the first has just changed.
    @Test(.timeLimit(.minutes(1))) func overtakenChangeIsRefused() throws {
        let hosts = try TwoHosts()
        let (first, second) = (try hosts.beta.agent(), try hosts.beta.agent())
        let base = try first.request(ShowPolicy(), for: HostPolicyMessage.self).settings.policy
        var one = base
        one.isLiveMigrationEnabled = false
        var other = base
        other.liveMoves = 9
        _ = try second.request(
            ChangePolicy(base: base, policy: one), for: HostPolicyMessage.self)
        let error = #expect(throws: LivemigError.self) {
            try first.request(
                ChangePolicy(base: base, policy: other), for: HostPolicyMessage.self)
        }
        #expect(error?.code == .busy)
        #expect(error?.fullSlots == nil)
        let now = try first.request(ShowPolicy(), for: HostPolicyMessage.self).settings.policy
        #expect(now == one)
        other.liveMoves = 0
        let senseless = #expect(throws: LivemigError.self) {
            try first.request(ChangePolicy(base: one, policy: other), for: HostPolicyMessage.self)
        }
        #expect(senseless?.code == .range)
    }

    // Breaks when a disabled host or a stranger takes part in a move, when only the command refuses
    // it, or when a refusal leaves something behind that a later move stumbles over.
    @Test(.timeLimit(.minutes(2))) func whoDoesNotTakePart() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let refusals: [(ErrorCode, set: [String], back: [String])] = [
            (.disabled, ["--disable"], ["--enable"]),
            (.peer, ["--allow-peer", "gamma"], ["--all-peers"]),
        ]
        for (code, set, back) in refusals {
            for host in ["beta", "alpha"] {
                #expect(
                    try someone.begin(["host", "settings", host] + set).finish().status == 0)
                let run = try someone.run("move", "guest", "--to", "beta")
                run.expect(code, host)
                #expect(run.status == 3)
                run.expectRunning(on: "alpha")
                let dry = try someone.run("move", "guest", "--to", "beta", "--dry-run")
                dry.expect(code, host)
                let error = #expect(throws: LivemigError.self) {
                    try hosts.begin(from: hosts.alpha, to: hosts.beta).finish()
                }
                #expect(error?.code == code, "\(error as Any)")
                try hosts.expectUntouched()
                #expect(
                    try someone.begin(["host", "settings", host] + back).finish().status == 0)
            }
        }
        try someone.succeed("host", "settings", "beta", "--allow-peer", "alpha")
        try someone.succeed("move", "guest", "--to", "beta")
        #expect(hosts.alpha.leftovers == [])
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when a policy that cannot be read counts as the default, or keeps more than moves from
    // working.
    @Test(.timeLimit(.minutes(1))) func brokenPolicyStopsMovesAlone() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        for host in [hosts.beta, hosts.alpha] {
            let file = try OwnedDescriptor.open(host.root + "/host.xml", O_WRONLY | O_TRUNC)
            try DescriptorIO.write(
                Array("<hostPolicy version=\"1\">\n  <quota/>\n</hostPolicy>".utf8),
                to: file.number)
            let run = try someone.run("move", "guest", "--to", "beta")
            run.expect(.xmlUnsupported, "host.xml:2:3", host.name.text)
            run.expectRunning(on: "alpha")
            let error = #expect(throws: LivemigError.self) {
                try hosts.begin(from: hosts.alpha, to: hosts.beta).finish()
            }
            #expect(error?.code == .xmlUnsupported)
            try someone.run("host", "settings", host.name.text, "--enable")
                .expect(.xmlUnsupported, "host.xml:2:3")
            #expect(try someone.succeed("vm", "list").output.contains("running"))
            try someone.succeed("vm", "show", "guest")
            try someone.succeed("status", "guest")
            try someone.succeed("recover", "guest")
            try hosts.expectUntouched()
            #expect(unsafe unlink(host.root + "/host.xml") == 0)
        }
    }

    // Breaks when more moves run at a time than a host allows, when only the command counts them,
    // or when a move that has ended, or whose agent was killed, still counts.
    @Test(.timeLimit(.minutes(2)), arguments: ["alpha", "beta"])
    func limitOfMovesAtATime(_ host: String) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        try someone.succeed(
            "vm", "define", someone.definition("other", Self.workload), "--on", "alpha")
        try someone.succeed("vm", "start", "other")
        try someone.succeed("host", "settings", host, "--live-moves", "1")
        let slow = try someone.beginSlowMove()
        let second = try someone.run("move", "other", "--to", "beta")
        second.expect(.busy, "1 of 1 live moves", host)
        #expect(second.status == 11)
        second.expectRunning("other", on: "alpha")
        let error = #expect(throws: LivemigError.self) {
            try hosts.begin("other", from: hosts.alpha, to: hosts.beta).finish()
        }
        #expect(error?.code == .busy, "\(error as Any)")
        #expect(error?.what.contains("1 live move ") == true)
        // The host itself says that nothing but a slot was missing.
        #expect(error?.fullSlots == (host == "alpha" ? .outgoing : .incoming))
        slow.signal(SIGINT)
        try slow.finish().expect(.cancelled)

        var policy = MigrationPolicy()
        policy.bandwidth = Bandwidth(bytesPerSecond: 1 << 20)
        policy.compression = .none
        let killed = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy)
        try killed.wait(for: .preCopy)
        killed.source.kill()
        killed.destination.kill()
        try expectSoon(within: .seconds(10)) { hosts.beta.processes.isEmpty }
        try someone.succeed("move", "other", "--to", "beta")
        let status = try someone.succeed("host", "settings", host)
        #expect(status.output.contains("1 each way, 0 leaving and 0 coming now"))
    }

    /// Who a process is, and what it may, as proc(5) tells.
    private func identity(_ process: Int32) -> [String] {
        ProcessFiles.text("/proc/\(process)/status").split(separator: "\n")
            .filter { $0.hasPrefix("Uid:") || $0.hasPrefix("Gid:") || $0.hasPrefix("CapEff:") }
            .map { String($0.split(whereSeparator: \.isWhitespace)[1]) }
    }

    // Breaks when a QEMU that was powered on, or that took a guest in, runs as somebody else than
    // its host's settings say, or when such a guest cannot be moved, there and back. Needs root.
    @Test(.timeLimit(.minutes(2))) func hypervisorUser() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let set = try someone.succeed(
            "host", "settings", "alpha", "--hypervisor-user", "nobody")
        #expect(set.output.contains("QEMU runs as    nobody"))
        try hosts.start(document: IdleGuest.definition(""))
        let nobody = try HypervisorUser(named: "nobody")
        let low = [String(nobody.id), String(nobody.group), String(repeating: "0", count: 16)]
        for (host, expected) in [(hosts.alpha, low), (hosts.beta, ["0", "0"]), (hosts.alpha, low)] {
            if try someone.succeed("vm", "list").output.contains(host.name.text) == false {
                try someone.succeed("move", "guest", "--to", host.name.text)
            }
            let found = host.processIDs(with: "qemu-system")
            #expect(found.count == 1)
            for id in found {
                #expect(identity(id).prefix(expected.count) == expected[...], "\(host.name)")
            }
        }
        #expect(hosts.beta.leftovers == [])
    }

    // Breaks when a QEMU that was powered on, or that took a guest in, does not run as a user of its
    // VM's own, when such a guest cannot be moved, or when its number is kept after it has left.
    // Needs root.
    @Test(.timeLimit(.minutes(2))) func hypervisorUsers() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        for (host, range) in [("alpha", "300200-300299"), ("beta", "300300-300399")] {
            let set = try someone.succeed(
                "host", "settings", host, "--hypervisor-users", range)
            #expect(set.output.contains("QEMU runs as    a user for each VM, of \(range)"))
        }
        try hosts.start(document: IdleGuest.definition(""))
        for (host, id) in [(hosts.alpha, 300_200), (hosts.beta, 300_300), (hosts.alpha, 300_200)] {
            if try someone.succeed("vm", "list").output.contains(host.name.text) == false {
                try someone.succeed("move", "guest", "--to", host.name.text)
            }
            let found = host.processIDs(with: "qemu-system")
            #expect(found.count == 1)
            for process in found {
                let zero = String(repeating: "0", count: 16)
                #expect(identity(process) == ["\(id)", "\(id)", zero], "\(host.name)")
            }
        }
        #expect(hosts.beta.leftovers == [])
        let doctor = try someone.succeed("doctor", "alpha")
        #expect(doctor.output.contains("a user for each VM, of 300200-300299"))
    }

    // Breaks when a host is told to run QEMU as somebody whom it does not know.
    @Test(.timeLimit(.minutes(1))) func unknownHypervisorUser() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.run("host", "settings", "beta", "--hypervisor-user", "no-such-user")
            .expect(.qemu, "no-such-user", "beta")
        try someone.run("host", "settings", "beta", "--hypervisor-user", "0").expect(.usage)
        try someone.succeed("host", "settings", "beta", "--hypervisor-user", "nobody")
        let back = try someone.succeed("host", "settings", "beta", "--hypervisor-user", "default")
        #expect(back.output.contains("the agent's user"))
    }

    // Breaks when a guest takes memory that the host is to keep.
    @Test(.timeLimit(.minutes(1))) func reserveIsKept() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let all = "\(Memory.totalMebibytes)MiB"
        try someone.succeed("host", "settings", "beta", "--memory-reserve", all)
        let run = try someone.run("move", "guest", "--to", "beta")
        run.expect(.memory, "needs 64 MiB", "reserve", "beta")
        #expect(run.status == 13)
        run.expectRunning(on: "alpha")
        try hosts.expectUntouched()
        try someone.succeed("host", "settings", "beta", "--memory-reserve", "default")
        try someone.succeed("move", "guest", "--to", "beta")
    }

    // Breaks when memory that a guest on its way here has not filled yet is given to the next one.
    @Test(.timeLimit(.minutes(2))) func promisedMemoryIsKept() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        // Two fit on alpha, one on beta.
        let fifth = Memory.availableMebibytes / 5
        try hosts.start(Self.workload, memory: fifth)
        try someone.succeed(
            "vm", "define", someone.definition("other", Self.workload, memory: fifth), "--on",
            "alpha")
        try someone.succeed("vm", "start", "other")
        try someone.succeed(
            "host", "settings", "beta", "--memory-reserve", "\(fifth * 7 / 2)MiB")
        let slow = try someone.beginSlowMove()
        let settings = try someone.succeed("host", "settings", "beta")
        #expect(settings.output.contains("to guests on their way here"))
        let refused = try someone.run("move", "other", "--to", "beta")
        refused.expect(.memory, "that other guests may still take", "beta")
        refused.expectRunning("other", on: "alpha")
        slow.signal(SIGINT)
        try slow.finish().expect(.cancelled)
        try someone.succeed("move", "other", "--to", "beta")
    }
}
