import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// `livemig check` between two hosts: what it finds, what it does not, and that it leaves all as it
/// is.
@Suite(.serialized) struct CheckTests {
    private static let workload = "fill=4MiB rate=1MiB/s"

    /// A report as scripts read it.
    private struct Report: Decodable {
        let vm, source, destination: String
        let compatible: Bool
        let findings: [Item]

        struct Item: Decodable {
            let id, severity, message: String
            let place, source, destination, fix: String?
        }

        var ids: [String] { findings.map(\.id) }
    }

    /// Checks the guest's move to beta; the exit code must say the same as the report.
    private func check(
        _ someone: Operator, _ options: String..., location: SourceLocation = #_sourceLocation
    ) throws -> Report {
        let run = try someone.begin(
            ["check", "guest", "--to", "beta", "--output", "json"] + options
        ).finish()
        let report = try #require(
            try run.decode(Report.self).first, "\(run)", sourceLocation: location)
        #expect(run.status == (report.compatible ? 0 : 3), "\(run)", sourceLocation: location)
        #expect(
            report.compatible == report.findings.allSatisfy { $0.severity == "warning" },
            "\(run)", sourceLocation: location)
        return report
    }

    // Breaks when something is found between hosts that differ in nothing, such as a trust that is
    // there, or a check changes what it looks at.
    @Test(.timeLimit(.minutes(2))) func nothingIsFound() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let before = try hosts.summary(on: hosts.alpha)
        let run = try someone.succeed("check", "guest", "--to", "beta")
        #expect(run.lines == ["guest: alpha → beta can be moved"], "\(run)")
        #expect(run.messages == [])
        let report = try check(someone)
        #expect(report.vm == "guest" && report.source == "alpha" && report.destination == "beta")
        #expect(report.ids == [])
        #expect(try check(someone, "--from", "alpha", "--path", "relay").ids == [])
        #expect(try hosts.summary(on: hosts.alpha) == before)
        try hosts.expectUntouched()
    }

    // Breaks when a guest of QEMU cannot be checked, the lock that it holds on its disk is taken for
    // one that is not seen, or a file that took the place of its image is taken for it.
    @Test(.timeLimit(.minutes(2))) func guestOfQEMU() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let disk = try SharedDisk("raw")
        try hosts.start(document: IdleGuest.definition(disk.element()))
        let report = try check(someone)
        #expect(report.ids == [], "\(report)")
        #expect(unsafe rename(disk.path, disk.path + ".away") == 0)
        let missing = try check(someone)
        #expect(missing.ids == ["E-DISK"], "\(missing)")
        #expect(missing.findings.first?.place == "beta: \(disk.path)")
        #expect(missing.findings.first?.message.contains("vda") == true)
        // Another file of that name, by a link, which nobody has locked.
        try hosts.alpha.ssh.folder.write("", to: "empty")
        #expect(unsafe symlink(hosts.alpha.ssh.folder.path("empty"), disk.path) == 0)
        #expect(unsafe truncate(disk.path, 64 << 20) == 0)
        let replaced = try check(someone)
        #expect(replaced.ids == ["E-DISK"], "\(replaced)")
        #expect(replaced.findings.first?.place?.hasPrefix("alpha: disk vda") == true)
        #expect(unsafe unlink(disk.path) == 0)
        try hosts.expectUntouched()
    }

    // Breaks when a disk that cannot be moved is found by both hosts and so told twice, or a kernel
    // that only the destination lacks is not found.
    @Test(.timeLimit(.minutes(2))) func definitionsThatCannotBeMoved() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let disk = try SharedDisk("raw")
        let kernel = someone.folder.path("vmlinuz")
        let image = try GuestImageFiles.path("vmlinuz")
        #expect(unsafe symlink(image, kernel) == 0)
        let definition = IdleGuest.definition(disk.element(cache: "none"))
            .replacing("hvm</type>", with: "hvm</type><kernel>\(kernel)</kernel>")
        try hosts.start(document: definition)
        #expect(try check(someone).ids == ["E-CACHE"])
        #expect(unsafe unlink(kernel) == 0)
        let report = try check(someone)
        #expect(report.ids == ["E-CACHE", "E-DSTQEMU"])
        #expect(report.findings.last?.place == "beta: \(kernel)")
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(.cache, "vda")
        move.expectRunning(on: "alpha")
        try hosts.expectUntouched()
    }

    // Breaks when one finding hides another, an error does not name its host or what is to be done,
    // or a warning stands before an error.
    @Test(.timeLimit(.minutes(2))) func everythingAtOnce() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        try someone.succeed("vm", "define", someone.definition("guest"), "--on", "beta")
        try someone.succeed("host", "settings", "alpha", "--allow-peer", "gamma")
        try someone.succeed(
            "host", "settings", "beta", "--disable", "--memory-reserve",
            "\(Memory.totalMebibytes)MiB", "--network", "10.99.0.0/16", "--only-networks")
        let run = try someone.begin(
            ["check", "alpha/guest", "--to", "beta", "--output", "json"]
        ).finish()
        #expect(run.status == 3, "\(run)")
        let report = try #require(try run.decode(Report.self).first, "\(run)")
        #expect(!report.compatible)
        #expect(
            report.ids == [
                "E-DUPVM", "E-PEER", "E-DISABLED", "E-NET", "E-AUTH", "E-AUTH", "E-NOMEM",
                "W-TRUST",
            ], "\(run)")
        #expect(
            report.findings.map(\.severity)
                == Array(repeating: "error", count: 7) + ["warning"])
        let places = [
            "beta", "alpha", "beta", "alpha and beta", "alpha", "beta", "beta", "alpha",
        ]
        for (finding, place) in zip(report.findings, places) {
            #expect(finding.place?.contains(place) == true, "\(finding)")
            #expect(finding.fix?.isEmpty == false, "\(finding)")
        }
        let memory = try #require(report.findings.first { $0.id == "E-NOMEM" })
        #expect(memory.message.contains("needs 64 MiB"))
        #expect(memory.message.contains("reserve of"))
        let text = try someone.run("check", "alpha/guest", "--to", "beta")
        #expect(text.status == 3)
        #expect(text.lines.first?.hasPrefix("E-DUPVM   ") == true, "\(text)")
        #expect(
            text.lines.last == "guest: alpha → beta cannot be moved: 7 errors, 1 warning",
            "\(text)")
        try someone.succeed("vm", "remove", "beta/guest")
        try hosts.expectUntouched()
    }

    // Breaks when trust in one direction is taken for both, or a key that another peer has for this
    // one's.
    @Test(.timeLimit(.minutes(2))) func trustInOneDirection() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let none = try check(someone)
        #expect(none.ids == ["E-AUTH", "E-AUTH", "W-TRUST"], "\(none)")
        for finding in none.findings {
            #expect(finding.fix == "run livemig host trust alpha beta")
        }
        let dry = try someone.run("move", "guest", "--to", "beta", "--dry-run")
        dry.expect(.authentication, "run livemig host trust alpha beta")
        #expect(dry.status == 4)
        // Page data of a relayed move comes from elsewhere.
        #expect(try check(someone, "--path", "relay").ids == [])
        try hosts.beta.trust(hosts.alpha)
        #expect(try check(someone).ids == ["W-TRUST"])
        let move = try someone.succeed("move", "guest", "--to", "beta", "--output", "json")
        let warning = move.messages.first { $0.hasPrefix("livemig: warning[W-TRUST]: ") }
        #expect(warning?.contains("run livemig host trust alpha beta") == true, "\(move)")
        let plan = try #require(move.lines.first { $0.contains(#""event":"plan""#) })
        #expect(plan.contains(#""id":"W-TRUST""#))
        let back = try someone.run("check", "guest", "--to", "alpha")
        #expect(back.status == 3)
        #expect(back.output.contains("E-AUTH"))
    }

    // Breaks when a destination without the guest's bridge is not found out in advance. Needs root.
    @Test(.timeLimit(.minutes(2))) func missingBridge() throws {
        let network = try GuestNetwork()
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: network.alpha, address: GuestNetwork.alphaAddress),
            beta: TestHost("beta", in: network.beta, address: GuestNetwork.betaAddress))
        let someone = try Operator(in: network.alpha)
        for host in [hosts.alpha, hosts.beta] {
            try someone.add(host, Operator.Entry(address: host.ssh.address))
        }
        try hosts.start(document: IdleGuest.definition(GuestNetwork.element))
        #expect(try check(someone).ids == [])
        try network.beta.ip(["link", "set", GuestNetwork.bridge, "name", "other"])
        let report = try check(someone)
        #expect(report.ids == ["E-NET"], "\(report)")
        #expect(report.findings.first?.message.contains(GuestNetwork.bridge) == true)
        #expect(report.findings.first?.place == "beta")
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(.network, GuestNetwork.bridge, "beta")
        move.expectRunning(on: "alpha")
        try hosts.expectUntouched()
    }

    /// Two hosts on a network of their own, the guest on alpha, and an operator beside them who
    /// reaches both.
    private func distantHosts() throws -> (HostNetwork, TwoHosts, Operator) {
        let network = try HostNetwork(["alpha", "beta"])
        let all = try network.hosts()
        let hosts = try TwoHosts(alpha: all[0], beta: all[1])
        let someone = try Operator(in: network.switching)
        for host in all { try someone.add(host, Operator.Entry(address: host.ssh.address)) }
        try hosts.start(Self.workload)
        return (network, hosts, someone)
    }

    // Breaks when a check asks the operator's side alone: a move opens its lanes from the source,
    // which has no way to the destination here. A drain has no place to go then. Needs root.
    @Test(.timeLimit(.minutes(2))) func sourceDoesNotReachDestination() throws {
        let (network, hosts, someone) = try distantHosts()
        #expect(try check(someone).ids == [])
        let alpha = try #require(network.namespaces["alpha"])
        try alpha.ip(["route", "add", "unreachable", "10.78.1.2/32"])
        let report = try check(someone)
        #expect(report.ids == ["E-CONNECT"], "\(report)")
        let finding = try #require(report.findings.first)
        #expect(finding.message.hasPrefix("the source opens no lane to beta: "), "\(report)")
        #expect(finding.fix?.contains("--path relay") == true, "\(report)")
        #expect(finding.place?.contains("alpha") == true, "\(report)")
        #expect(try check(someone, "--path", "relay").ids == [])
        try someone.run("move", "guest", "--to", "beta", "--dry-run").expect(.connect, "relay")
        let plan = try someone.run("plan", "drain", "alpha")
        #expect(plan.status != 0 && plan.output.contains("opens no lane"), "\(plan)")
        try hosts.expectUntouched()
    }

    // Breaks when a path passes for good that carries a login and no pages: large packets vanish
    // on it, and nobody says so (RFC 2923). Needs root.
    @Test(.timeLimit(.minutes(2))) func largePacketsVanish() throws {
        let (network, hosts, someone) = try distantHosts()
        let alpha = try #require(network.namespaces["alpha"])
        // Each packet on its own, as a network card would put them on the wire.
        try alpha.ip(["link", "set", "uplink", "gso_max_segs", "1"])
        try network.switching.ip(["link", "set", "beta", "mtu", "1400"])
        let report = try check(someone)
        #expect(report.ids == ["E-STALL"], "\(report)")
        let finding = try #require(report.findings.first)
        #expect(finding.message.contains("small packets reach it and large ones do not"))
        #expect(finding.fix?.contains("MTU") == true, "\(report)")
        #expect(finding.fix?.contains("--path relay") == true, "\(report)")
        // The end of the connection does not get through either: a lane goes by its own limit.
        try hosts.expectUntouched(within: .seconds(25))
    }

    // Breaks when bridges of different sizes are moved between without a word. Needs root.
    @Test(.timeLimit(.minutes(2))) func bridgesDiffer() throws {
        let network = try GuestNetwork()
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: network.alpha, address: GuestNetwork.alphaAddress),
            beta: TestHost("beta", in: network.beta, address: GuestNetwork.betaAddress))
        let someone = try Operator(in: network.alpha)
        for host in [hosts.alpha, hosts.beta] {
            try someone.add(host, Operator.Entry(address: host.ssh.address))
        }
        try hosts.start(document: IdleGuest.definition(GuestNetwork.element))
        try network.alpha.ip(["link", "set", GuestNetwork.bridge, "mtu", "9000"])
        let report = try check(someone)
        #expect(report.ids == ["W-NETWORK"], "\(report)")
        #expect(report.findings.first?.source == "MTU 9000")
        #expect(report.findings.first?.destination == "MTU 1500")
    }

    // Breaks when moves that fill a host up for a while count as something to be repaired, are not
    // told, or memory promised to them is given away.
    @Test(.timeLimit(.minutes(2))) func movesUnderWay() throws {
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
            "host", "settings", "beta", "--live-moves", "1", "--memory-reserve",
            "\(fifth * 7 / 2)MiB")
        let slow = try someone.beginSlowMove()
        let run = try someone.run("check", "other", "--to", "beta", "--output", "json")
        let report = try #require(try run.decode(Report.self).first, "\(run)")
        #expect(report.ids == ["E-NOMEM", "W-SLOTS"], "\(run)")
        #expect(report.findings.first?.message.contains("other guests may still take") == true)
        #expect(report.findings.last?.message == "1 of 1 live moves to beta are under way")
        let same = try someone.run("check", "alpha/guest", "--to", "beta")
        #expect(same.status == 3 && same.output.contains("E-BUSY"), "\(same)")
        slow.signal(SIGINT)
        try slow.finish().expect(.cancelled)
    }

    // Breaks when a policy that cannot be read ends the check, so that nothing else is found.
    @Test(.timeLimit(.minutes(1))) func brokenPolicy() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let file = try OwnedDescriptor.open(hosts.beta.root + "/host.xml", O_WRONLY | O_TRUNC)
        try DescriptorIO.write(
            Array("<hostPolicy version=\"1\">\n  <quota/>\n</hostPolicy>".utf8), to: file.number)
        let report = try check(someone)
        #expect(report.ids == ["E-XML-UNSUPPORTED", "E-AUTH", "E-AUTH", "W-TRUST"], "\(report)")
        #expect(report.findings.first?.place?.contains("host.xml:2:3") == true)
        try hosts.expectUntouched()
    }

    // Breaks when a VM or host that is not there looks like one that can be moved.
    @Test(.timeLimit(.minutes(1))) func namesThatAreNotThere() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        try someone.run("check", "nosuch", "--to", "beta").expect(.noVM, "nosuch")
        try someone.run("check", "guest", "--to", "gamma").expect(.noHost, "gamma")
        try someone.run("check", "guest", "--to", "alpha").expect(.alreadyThere)
        try someone.succeed("vm", "define", someone.definition("off"), "--on", "alpha")
        let off = try someone.run("check", "off", "--to", "beta")
        #expect(off.status == 3 && off.output.contains("E-NOTRUNNING"), "\(off)")
        try hosts.expectUntouched()
    }
}
