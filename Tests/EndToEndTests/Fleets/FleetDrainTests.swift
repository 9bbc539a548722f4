import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Drains of hosts with many guests, in networks of their own; they need root.
@Suite(.serialized) struct FleetDrainTests {
    private static let reference = (1...9).map { "web\($0)" }
    private static let slow = ["--bandwidth", "16MiB/s", "--compression", "none"]

    /// A guest in QEMU that is powered on and does nothing.
    private func idle(_ name: String, _ devices: String, _ someone: Operator) throws -> String {
        try someone.folder.write(
            """
            <domain type="qemu"><name>\(name)</name><memory unit="MiB">64</memory>
            <vcpu>1</vcpu><os><type arch="x86_64" machine="q35">hvm</type></os>
            <devices>\(devices)</devices></domain>
            """, to: "\(name).xml")
        return someone.folder.path("\(name).xml")
    }

    // Breaks when a drain of many loses a guest, runs one twice, goes on without those that could
    // move, or tells a code, a table or a proof that is not so.
    @Test(.timeLimit(.minutes(4))) func twelveGuests() throws {
        let network = try HostNetwork(ThreeHosts.names)
        let hosts = try ThreeHosts(in: network)
        let someone = hosts.someone
        // A bridge that the other hosts do not have.
        try network.namespaces["alpha"]?.ip(["link", "add", "only-here", "type", "bridge"])
        try hosts.start(Self.reference, "fill=16MiB")
        let stuck =
            #"<interface type="bridge"><source bridge="only-here"/><model type="virtio"/></interface>"#
        for (name, devices) in [("qemu1", ""), ("qemu2", ""), ("stuck", stuck)] {
            try someone.succeed("vm", "define", idle(name, devices, someone), "--on", "alpha")
            try someone.succeed("vm", "start", name)
        }
        let all = Self.reference + ["qemu1", "qemu2", "stuck"]
        let drain = try someone.begin(
            ["drain", "alpha", "--yes", "--output", "json", "--priority", "web5=high"]
                + Self.slow)
        // The first that moves loses its copy on the way.
        try expectSoon(within: .seconds(30)) {
            drain.output.contains(#""phase":"pre-copy","time""#)
                && drain.output.contains(#""vm":"web5""#)
                && hosts.all.contains {
                    !$0.processIDs(with: "vms/web5/").isEmpty && $0 !== hosts.alpha
                }
        }
        for host in [hosts.beta, hosts.gamma] {
            for id in host.processIDs(with: "vms/web5/") { kill(id, SIGKILL) }
        }
        let run = try drain.finish()
        #expect(run.status == 5, "\(run)")
        let result = try run.drainResult()
        #expect(!result.safeToPowerOff)
        let outcomes = Dictionary(uniqueKeysWithValues: result.vms.map { ($0.name, $0) })
        #expect(outcomes.count == 12)
        #expect(outcomes["web5"]?.outcome == "failed")
        // Both other hosts have said in advance that they lack its bridge.
        #expect(outcomes["stuck"]?.code == "E-NOTARGET")
        #expect(run.output.contains("only-here"), "\(run)")
        for name in all where !["web5", "stuck"].contains(name) {
            #expect(outcomes[name]?.outcome == "moved", "\(name): \(run)")
        }
        try hosts.expectOnce(all)
        #expect(try hosts.running(on: hosts.alpha) == ["stuck", "web5"])

        let rest = try someone.run("drain", "alpha", "--yes", "--stop", "stuck")
        #expect(rest.status == 0, "\(rest)")
        #expect(rest.lines.last?.contains("safe to power off") == true)
        let moved = all.filter { $0 != "stuck" }
        try hosts.expectOnce(moved)
        try someone.succeed("resume", "alpha", "--failback", "now", "--yes")
        #expect(try hosts.running(on: hosts.alpha) == all.sorted())
        try hosts.expectOnce(all)
        #expect(hosts.beta.leftovers == [])
        #expect(hosts.gamma.leftovers == [])
    }

    // Breaks when more moves use a network at a time than the strictest host allows, when those that
    // reach it by the inventory's address are not counted, or when a guest does not say that it waits.
    @Test(.timeLimit(.minutes(2))) func oneAtATimeOnANetwork() throws {
        let hosts = try ThreeHosts(in: try HostNetwork(ThreeHosts.names))
        let someone = hosts.someone
        try hosts.start(["web1", "web2"], "fill=32MiB")
        let subnet = "10.78.1.0/24"
        for (host, count) in [("beta", "1"), ("gamma", "9")] {
            let settings = try someone.succeed(
                "host", "settings", host, "--network", subnet, "--network-moves",
                "\(subnet)=\(count)")
            #expect(settings.output.contains("\(subnet), priority 1, at most \(count) at a time"))
        }
        let drain = try someone.begin(["drain", "alpha", "--yes", "--output", "json"] + Self.slow)
            .finish()
        #expect(drain.status == 0, "\(drain)")
        #expect(drain.output.contains("a free slot on \(subnet) (1 of 1 moving)"), "\(drain)")
        let order = drain.lines.filter {
            $0.contains(#""phase":"connecting""#) || $0.contains(#""outcome":"moved","#)
        }.map { $0.contains(#""event":"phase""#) }
        #expect(order.prefix(4) == [true, false, true, false], "\(drain)")
        // Both ways were taken, and only one of the hosts has that limit.
        #expect(try hosts.running(on: hosts.beta).count == 1)
        try someone.succeed(
            "host", "settings", "beta", "--network-moves", "\(subnet)=unlimited")
        let back = try someone.begin(
            ["resume", "alpha", "--failback", "now", "--yes", "--output", "json"] + Self.slow
        ).finish()
        #expect(back.status == 0, "\(back)")
        #expect(!back.output.contains("slot on"), "\(back)")
        try hosts.expectOnce(["web1", "web2"])
    }

    /// How many guests are drained at once; `LIVEMIG_GUESTS` in the environment says otherwise.
    private static var many: Int { Repository.number("LIVEMIG_GUESTS") ?? 100 }

    // Breaks when sshd's own limit on logins under way shuts connections out, when each move logs
    // in anew, when a controller needs more memory the more guests there are, or when one of many
    // is forgotten.
    @Test(.timeLimit(.minutes(15))) func manyGuests() throws {
        // What sshd has by default (sshd_config(5)).
        let hosts = try ThreeHosts(sshOptions: ["MaxStartups 10:30:100", "MaxSessions 10"])
        let someone = hosts.someone
        let names = (1...Self.many).map { "g\($0)" }
        let agent = try hosts.alpha.agent()
        for name in names {
            let document = """
                <domain type="synthetic"><name>\(name)</name><memory unit="MiB">16</memory>
                <vcpu>1</vcpu><os><type>hvm</type><cmdline>fill=1MiB beat=100</cmdline></os>
                <devices/></domain>
                """
            _ = try agent.request(DefineMachine(definition: document), for: MachineMessage.self)
            _ = try agent.request(StartMachine(name: try VMName(name)), for: MachineMessage.self)
        }
        let began = MonotonicTime.now
        let before = hosts.alpha.ssh.logins
        let drain = try someone.begin(["drain", "alpha", "--yes"])
        var (most, connected, unknown) = (0, 0, 0)
        while !drain.hasEnded {
            most = max(most, Self.peakKibibytes(of: drain.processID))
            for host in hosts.all {
                let now = host.ssh.connections
                (connected, unknown) = (max(connected, now.all), max(unknown, now.unknown))
            }
            usleep(50_000)
        }
        let elapsed = began.elapsed
        let run = try drain.finish()
        #expect(run.status == 0, "\(run)")
        let logins = hosts.all.map(\.ssh.logins)
        print(
            "drained \(Self.many) guests in \(elapsed.brief), controller's peak \(most) KiB; at most "
                + "\(connected) connections to a host at once, \(unknown) not logged in; logins \(logins)"
        )
        #expect(most > 0)
        #expect(most < 256 << 10)
        #expect(hosts.all.allSatisfy { !$0.ssh.log.contains("past MaxStartups") })
        // The survey, the plan's questions, hooks, closing, two moves at a time, and the proof.
        #expect(logins[0] - before <= 10)
        try hosts.expectOnce(names)
        #expect(try hosts.running(on: hosts.alpha) == [])
    }

    private static func peakKibibytes(of process: Int32) -> Int {
        let lines = ProcessFiles.text("/proc/\(process)/status").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("VmHWM:") } ?? ""
        return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }
}
