import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Moves as an operator or a script makes them: the built `livemig`, run as a process.
@Suite(.serialized) struct CommandMoveTests {
    private static let workload = "fill=16MiB ws=4MiB rate=20MiB/s writers=2 zero=8"

    // Breaks when a step of the manual's first page does not work as it is printed there.
    @Test(.timeLimit(.minutes(2))) func fromHostAddToRemoval() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        let check = try someone.succeed("host", "check")
        for name in ["alpha", "beta"] {
            #expect(check.lines.contains { $0.hasPrefix("\(name):") && $0.contains("live, by") })
        }
        try someone.succeed("host", "trust", "alpha", "beta")
        try someone.succeed(
            "vm", "define", someone.definition("guest", Self.workload), "--on", "alpha")
        let started = try someone.succeed("vm", "start", "guest")
        #expect(started.output == "VM guest is running on alpha\n")
        #expect(try someone.succeed("vm", "show", "guest").output.contains("running"))

        let moved = try someone.succeed("move", "guest", "--to", "beta")
        expectText(moved, "alpha", "beta")
        let list = try someone.succeed("vm", "list", "--output", "json").decode(MachineLines.self)
        #expect(list.first?.vms.map(\.host) == ["beta"])
        #expect(list.first?.vms.first?.epoch == 1)
        #expect(hosts.alpha.leftovers == [])

        let relayed = try someone.succeed(
            "move", "guest", "--to", "alpha", "--path", "relay", "--output", "json")
        try expectJSON(relayed, from: "beta", to: "alpha", epoch: 2)
        #expect(hosts.beta.leftovers == [])
        let status = try someone.succeed("status", "guest")
        #expect(status.lines.first == "guest runs on alpha (epoch 2)")
        #expect(try hosts.alpha.differingPages() == "0")

        let stopped = try someone.succeed("vm", "stop", "guest")
        #expect(stopped.output == "VM guest is stopped on alpha\n")
        try someone.succeed("vm", "remove", "guest")
        for host in [hosts.alpha, hosts.beta] {
            #expect(host.leftovers == [])
            #expect(host.processes == [])
        }
    }

    /// Off a terminal: a line for each round, its side in front; the last line is the answer.
    private func expectText(_ run: CommandResult, _ source: String, _ destination: String) {
        #expect(!run.messages.isEmpty, "\(run)")
        for (number, line) in run.messages.enumerated() {
            #expect(line.hasPrefix("\(source): round \(number) "), "\(run)")
        }
        #expect(!run.errors.contains("\r"), "a live line without a terminal")
        #expect(run.lines.count == 2)
        #expect(run.lines.first?.hasPrefix("\(destination):") ?? false)
        #expect(run.lines.first?.contains("blackout") ?? false)
        #expect(run.lines.last?.hasPrefix("moved guest to \(destination) in ") ?? false)
    }

    private func expectJSON(
        _ run: CommandResult, from source: String, to destination: String, epoch: UInt64
    ) throws {
        let lines = try run.moveLines()
        #expect(run.errors.isEmpty, "\(run)")
        #expect(lines.first?.event == "plan")
        let phases = lines.compactMap(\.phase)
        #expect(phases == ["connecting", "pre-copy", "switchover", "committed"])
        let rounds = lines.filter { $0.event == "round" }.compactMap(\.number)
        #expect(rounds == Array(0..<rounds.count))
        let result = try #require(lines.last)
        #expect(result.vm == "guest")
        #expect(result.migration?.count == 32)
        #expect(result.source == source)
        #expect(result.destination == destination)
        #expect(result.outcome == "moved")
        #expect(result.exitCode == 0)
        #expect(result.mode == "precopy")
        #expect(result.verified == "pages")
        #expect(result.vmIs == .init(state: "running", host: destination, epoch: epoch))
        #expect(try #require(result.rounds) > rounds.count - 1)
        try expectNumbers(result)
    }

    private func expectNumbers(_ result: MoveLine) throws {
        let downtime = try #require(result.downtimeMs)
        let transfer = try #require(result.transferMs)
        #expect(try #require(result.totalMs) >= transfer)
        #expect(transfer >= downtime.total)
        #expect(downtime.total > 0)
        let parts =
            downtime.finalPages + downtime.deviceState + downtime.commit + downtime.resume
        #expect(abs(parts - downtime.total) < 0.01, "\(downtime)")
        #expect(result.guestBytes == 64 << 20)
        let wire = try #require(result.wireBytes)
        guard case .kinds(let pages)? = result.pages else {
            Issue.record("no kinds of pages")
            return
        }
        // 16 MiB are filled, at most half of it with zeros, which may never have been written.
        #expect(pages.sent + pages.zero >= 2048)
        #expect(pages.sent > 0)
        #expect(pages.duplicate + pages.delta + pages.faulted == 0)
        #expect(wire > pages.sent)
    }

    // Breaks when names on standard input are lost, one VM stops the others, or the exit code hides
    // the one that stayed.
    @Test(.timeLimit(.minutes(1))) func severalByStandardInput() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        for name in ["one", "two", "off"] {
            try someone.succeed(
                "vm", "define", someone.definition(name, "fill=4MiB rate=1MiB/s"), "--on", "alpha")
        }
        for name in ["one", "two"] { try someone.succeed("vm", "start", name) }
        let run = try someone.run(
            "move", "-", "--to", "beta", "--output", "json", input: "one  running\n\noff\ntwo\n")
        let results = try run.moveLines().filter { $0.event == "result" }
        #expect(results.map(\.vm) == ["one", "off", "two"])
        #expect(results.map(\.outcome) == ["moved", "refused", "moved"])
        #expect(results.map(\.exitCode) == [0, 3, 0])
        #expect(run.status == 3)
        let text = try someone.run("move", "one", "two", "--to", "alpha")
        #expect(text.status == 0, "\(text)")
        #expect(text.messages.last == "2 of 2 VMs moved")
        let twice = try someone.run("move", "one", "one", "--to", "beta")
        twice.expect(.usage, "named twice")
        for name in ["one", "two"] { try someone.succeed("vm", "stop", name) }
        for name in ["one", "two", "off"] { try someone.succeed("vm", "remove", name) }
        #expect(hosts.alpha.leftovers == [])
        #expect(hosts.beta.leftovers == [])
    }

    // Breaks when Ctrl-C does not reach the source, or a reader that has gone ends a move.
    @Test(.timeLimit(.minutes(1)), arguments: [SIGINT, SIGTERM])
    func interruptedThenUnheard(_ signal: CInt) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let slow = try someone.beginSlowMove()
        slow.signal(signal)
        let cancelled = try slow.finish()
        cancelled.expect(.cancelled)
        #expect(cancelled.status == 8)
        let result = try #require(try cancelled.moveLines().last)
        #expect(result.outcome == "cancelled")
        #expect(result.vmIs == .init(state: "running", host: "alpha", epoch: 1))
        try hosts.expectUntouched()
        #expect(try hosts.alpha.differingPages() == "0")

        let pipe = try OwnedDescriptor.pipe().release()
        close(pipe.first)
        let unheard = OwnedDescriptor(owning: pipe.second)
        let move = try someone.begin(
            ["move", "guest", "--to", "beta", "--output", "json"],
            streams: [1: unheard.number, 2: unheard.number])
        #expect(try move.finish().status == 0)
        #expect(try hosts.summary(on: hosts.beta).state == .running)
        #expect(try hosts.beta.differingPages() == "0")
        #expect(hosts.alpha.leftovers == [])
    }

    // Breaks when what is typed does not reach the guest, what it says does not come back, or
    // Ctrl-] does not leave the terminal as it was.
    @Test(.timeLimit(.minutes(1))) func consoleHearsWhatIsTyped() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let terminal = try Terminal()
        let before = terminal.mode
        let console = try someone.begin(["vm", "console", "guest"], streams: [0: terminal.number])
        try expectSoon(within: .seconds(20)) { console.errors.contains("Ctrl-] leaves") }
        try expectSoon(within: .seconds(5)) { terminal.mode != before }
        try terminal.type("verify\n")
        try console.wait(for: "GUEST verify 0")
        try terminal.type("\u{1D}")
        let left = try console.finish()
        #expect(left.status == 0, "\(left)")
        #expect(left.messages.last == "left guest")
        #expect(terminal.mode == before)
        let off = try someone.run("vm", "console", "nosuch")
        off.expect(.noVM, "known: guest")
    }
}

extension Operator {
    /// Starts a move to beta that takes some 8 s, and waits until its pages travel.
    func beginSlowMove() throws -> CommandInProgress {
        let move = try begin([
            "move", "guest", "--to", "beta", "--bandwidth", "2MiB/s", "--compression", "none",
            "--output", "json",
        ])
        try move.wait(for: #""phase":"pre-copy""#)
        return move
    }
}

/// A pseudo-terminal: a program sees its slave, a test types at its master (pty(7)).
struct Terminal: ~Copyable {
    private let master: OwnedDescriptor
    private let slave: OwnedDescriptor

    init() throws {
        var ends: (master: CInt, slave: CInt) = (-1, -1)
        try SystemCall.check("openpty") {
            unsafe openpty(&ends.master, &ends.slave, nil, nil, nil)
        }
        master = OwnedDescriptor(owning: ends.master)
        slave = OwnedDescriptor(owning: ends.slave)
    }

    /// What the program gets.
    var number: CInt { slave.number }

    /// The local modes, such as whether it echoes.
    var mode: UInt32 {
        var mode = termios()
        let result = unsafe tcgetattr(slave.number, &mode)
        #expect(result == 0)
        return mode.c_lflag
    }

    func type(_ text: String) throws {
        try DescriptorIO.write(Array(text.utf8), to: master.number)
    }

    /// Whether something that was typed is left to the next program that reads.
    var hasInput: Bool {
        var mode = termios()
        _ = unsafe tcgetattr(slave.number, &mode)
        mode.c_lflag &= ~tcflag_t(ICANON)
        _ = unsafe tcsetattr(slave.number, TCSANOW, &mode)
        return (try? Poll.wait([.init(slave.number)], timeout: .milliseconds(50)))?.isEmpty == false
    }
}
