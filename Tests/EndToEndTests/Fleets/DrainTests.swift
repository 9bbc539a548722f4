import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Hosts that are emptied and opened again, by the command, between three real hosts.
@Suite(.serialized) struct DrainTests {
    private static let guests = ["web1", "web2", "web3", "db1"]

    /// The last line of a drain's JSON.
    struct Result: Decodable {
        let event, host, outcome: String
        let exitCode: Int
        let safeToPowerOff: Bool
        let vms: [VM]

        struct VM: Decodable {
            let name, outcome: String
            let destination, code: String?
        }
    }

    // Breaks when a guest stays, runs twice or lands on the drained host, when the proof is given
    // without being true, or when guests do not find back.
    @Test(.timeLimit(.minutes(2))) func thereAndBack() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(Self.guests)
        let run = try someone.succeed("drain", "alpha", "--yes")
        #expect(run.lines.last?.contains("alpha is empty") == true, "\(run)")
        #expect(run.lines.last?.contains("safe to power off") == true)
        try hosts.expectOnce(Self.guests)
        #expect(try hosts.running(on: hosts.alpha) == [])
        #expect(hosts.alpha.processes == [])
        // Both others took some: four guests of a size suit an empty host best.
        #expect(try hosts.running(on: hosts.beta).count == 2)

        let back = try someone.run("move", "web1", "--to", "alpha")
        back.expect(.cordoned, "alpha", "livemig resume")
        #expect(back.status == 3)
        try someone.run("vm", "define", someone.definition("new"), "--on", "alpha")
            .expect(.cordoned, "alpha")
        let again = try someone.succeed("drain", "alpha", "--yes", "--output", "json")
        #expect(try again.drainResult().safeToPowerOff)
        #expect(try again.drainResult().vms.isEmpty)

        try someone.succeed("resume", "alpha", "--failback", "now", "--yes")
        #expect(try hosts.running(on: hosts.alpha) == Self.guests.sorted())
        try hosts.expectOnce(Self.guests)
        #expect(hosts.beta.leftovers == [])
        #expect(hosts.gamma.leftovers == [])
        try someone.succeed("vm", "define", someone.definition("new"), "--on", "alpha")
        let history = try someone.succeed("history", "--output", "json").output
        #expect(history.contains(#""command":"drain""#))
        #expect(history.contains(#""command":"resume""#))
    }

    // Breaks when a plan changes something, when a drain begins without an answer, when what is
    // said of a guest that is not there is ignored, or when it keeps others from being stopped.
    @Test(.timeLimit(.minutes(1))) func plansAndQuestions() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["web1", "web2"])
        for command in [["plan", "drain", "alpha"], ["drain", "alpha", "--dry-run"]] {
            let plan = try someone.begin(command).finish()
            #expect(plan.status == 0)
            #expect(plan.lines.first == "alpha: 2 VMs, 2 move live", "\(plan)")
            #expect(plan.lines.last == "alpha would be empty.")
        }
        let left = try someone.run("plan", "drain", "alpha", "--leave", "web2")
        #expect(left.status == 3)
        #expect(left.output.contains("stays, as asked for"))
        let unasked = try someone.run("drain", "alpha")
        unasked.expect(.usage, "--yes")
        #expect(unasked.status == 2)
        try someone.run("drain", "alpha", "--yes", "--leave", "web9").expect(.noVM, "web9")
        try someone.run("drain", "alpha", "--yes", "--to", "alpha").expect(.sameHost)
        try someone.run("drain", "delta", "--yes").expect(.noHost, "delta")
        try someone.run("drain", "alpha", "--yes", "--priority", "web1").expect(.usage, "web1")
        #expect(try hosts.running(on: hosts.alpha) == ["web1", "web2"])
        #expect(hosts.alpha.hasFirstSettings)
        let chosen = try someone.succeed("move", "web1", "--to", "any")
        #expect(chosen.errors.contains("web1: to beta, ") && chosen.errors.contains("stars"))
        #expect(try hosts.running(on: hosts.beta) == ["web1"])
        try someone.succeed("host", "settings", "gamma", "--disable")
        try someone.succeed("host", "settings", "beta", "--disable")
        let nowhere = try someone.run("move", "web2", "--to", "any")
        nowhere.expect(.noTarget, "beta", "gamma")
        #expect(nowhere.status == 13)
        let stopped = try someone.run("vm", "stop", "-", input: "web1 running\nweb9\n\nweb2\n")
        stopped.expect(.noVM, "web9")
        #expect(stopped.lines.count == 2, "\(stopped)")
    }

    // Breaks when guests that cannot move, are to stay or are to stop are treated as others are, or
    // when the host counts as empty all the same.
    @Test(.timeLimit(.minutes(2))) func guestsThatDoNotMove() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["web1", "stay", "halt"])
        let half = Memory.availableMebibytes / 2
        try hosts.start(["big"], memory: half * 6 / 5)
        for host in ["beta", "gamma"] {
            try someone.succeed("host", "settings", host, "--memory-reserve", "\(half)MiB")
        }
        let run = try someone.run(
            "drain", "alpha", "--yes", "--leave", "stay", "--stop", "halt", "--output", "json")
        #expect(run.status == 13, "\(run)")
        let result = try run.drainResult()
        #expect(result.outcome == "not-empty")
        #expect(!result.safeToPowerOff)
        let outcomes = Dictionary(uniqueKeysWithValues: result.vms.map { ($0.name, $0) })
        #expect(outcomes["web1"]?.outcome == "moved")
        #expect(outcomes["big"]?.code == "E-NOTARGET")
        #expect(outcomes["stay"]?.outcome == "left")
        #expect(outcomes["halt"]?.outcome == "stopped")
        #expect(try hosts.running(on: hosts.alpha) == ["big", "stay"])
        try hosts.expectOnce(["big", "stay", "web1"])
        let text = try someone.run("drain", "alpha", "--yes", "--stop", "big", "--stop", "stay")
        #expect(text.status == 0, "\(text)")
        #expect(text.output.contains("not running: big halt stay"))
    }

    // Breaks when a guest is saved that nobody allowed to, when one that is does not count as gone,
    // or when guests are not as they were after the host is opened again.
    @Test(.timeLimit(.minutes(2))) func savedInPlaceOfMoves() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["web1", "lab", "halt", "stay"])
        let half = Memory.availableMebibytes / 2
        try hosts.start(["big"], memory: half * 6 / 5)
        for host in ["beta", "gamma"] {
            try someone.succeed("host", "settings", host, "--memory-reserve", "\(half)MiB")
        }
        let plan = try someone.run(
            "plan", "drain", "alpha", "--save", "lab", "--fallback", "save", "--fallback",
            "stay=leave", "--stop", "halt")
        #expect(plan.status == 0, "\(plan)")
        #expect(plan.output.contains("is saved, since it cannot move: E-NOTARGET"), "\(plan)")
        #expect(plan.output.contains("2 are saved, 1 is powered off"), "\(plan)")
        try someone.run("drain", "alpha", "--yes", "--save", "lab", "--stop", "lab")
            .expect(.usage, "lab")
        try someone.run("drain", "alpha", "--yes", "--fallback", "run").expect(.usage, "run")
        try someone.run("drain", "alpha", "--yes", "--fallback", "web9=save").expect(.noVM, "web9")
        let run = try someone.run(
            "drain", "alpha", "--yes", "--save", "lab", "--fallback", "save", "--stop", "halt",
            "--output", "json")
        #expect(run.status == 0, "\(run)")
        let result = try run.drainResult()
        #expect(result.safeToPowerOff)
        let outcomes = Dictionary(uniqueKeysWithValues: result.vms.map { ($0.name, $0.outcome) })
        #expect(
            outcomes == [
                "web1": "moved", "stay": "moved", "lab": "saved", "halt": "stopped", "big": "saved",
            ])
        #expect(hosts.alpha.processes == [])
        try someone.run("vm", "start", "lab").expect(.cordoned)
        let again = try someone.succeed("drain", "alpha", "--yes")
        #expect(again.output.contains("Saved there: big lab"), "\(again)")
        let back = try someone.succeed("resume", "alpha", "--failback", "now", "--yes")
        #expect(back.output.contains("3 of 3 guests started"), "\(back)")
        let all = ["big", "halt", "lab", "stay", "web1"]
        #expect(try hosts.running(on: hosts.alpha) == all)
        try hosts.expectOnce(all)
        try someone.succeed(
            "drain", "alpha", "--yes", "--save", "lab", "--fallback", "save")
        let open = try someone.succeed("resume", "alpha")
        #expect(open.output.contains("lab is still saved; livemig vm start lab"), "\(open)")
        #expect(try hosts.running(on: hosts.alpha) == [])
        try someone.succeed("vm", "start", "lab")
    }

    // Breaks when the failure of one move stops or spoils the others.
    @Test(.timeLimit(.minutes(2))) func oneFailureLeavesTheOthersAlone() throws {
        let hosts = try ThreeHosts(strangers: ["alpha", "gamma"])
        let someone = hosts.someone
        try hosts.start(Self.guests)
        let run = try someone.run("drain", "alpha", "--yes", "--output", "json")
        #expect(run.status != 0)
        let result = try run.drainResult()
        #expect(!result.safeToPowerOff)
        let moved = result.vms.filter { $0.outcome == "moved" }
        #expect(!moved.isEmpty)
        #expect(moved.allSatisfy { $0.destination == "beta" })
        #expect(result.vms.filter { $0.outcome != "moved" }.allSatisfy { $0.code != nil })
        try hosts.expectOnce(Self.guests)
        try someone.succeed("drain", "alpha", "--yes", "--to", "beta")
        #expect(try hosts.running(on: hosts.beta) == Self.guests.sorted())
    }

    // Breaks when more moves run at a time than a host allows, or a guest that waits does not say
    // for what.
    @Test(.timeLimit(.minutes(2))) func queue() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(Self.guests)
        try someone.succeed("host", "settings", "alpha", "--live-moves", "1")
        let run = try someone.succeed(
            "drain", "alpha", "--yes", "--output", "json", "--priority", "web3=high")
        let events = run.lines
        #expect(events.contains { $0.contains("slot out of alpha (1 of 1 moving)") }, "\(run)")
        let begun = events.compactMap { line -> String? in
            guard line.contains(#""phase":"connecting""#) else { return nil }
            return Self.guests.first { line.contains("\"vm\":\"\($0)\"") }
        }
        #expect(begun.first == "web3")
        #expect(begun.count == 4)
        // One at a time: a move's result comes before the next move's first phase.
        let order = events.filter {
            $0.contains(#""phase":"connecting""#) || $0.contains(#""outcome":"moved","#)
        }.map { $0.contains(#""event":"phase""#) }
        #expect(order.prefix(8) == [true, false, true, false, true, false, true, false])
    }

    /// Somebody else's guest, on gamma.
    private func startOtherGuest(_ other: Operator) throws {
        try other.succeed(
            "vm", "define", other.definition("theirs", "fill=48MiB"), "--on", "gamma")
        try other.succeed("vm", "start", "theirs")
    }

    /// Somebody else's slow move of a guest of gamma's to beta, once it copies.
    private func otherMove(
        _ other: Operator, at rate: String
    ) throws -> CommandInProgress {
        let move = try other.begin([
            "move", "theirs", "--to", "beta", "--bandwidth", rate, "--compression", "none",
            "--output", "json",
        ])
        try move.wait(for: #""phase":"pre-copy""#)
        return move
    }

    // Breaks when a drain gives up a guest because moves of others have the destination's slots, does
    // not say for whom it waits, or cannot be interrupted meanwhile.
    @Test(.timeLimit(.minutes(2))) func waitingForOthers() throws {
        let hosts = try ThreeHosts()
        let (someone, other) = (hosts.someone, try Operator())
        for host in hosts.all { try other.add(host) }
        try hosts.start(["web1"])
        try someone.succeed("host", "settings", "beta", "--live-moves", "1")
        try startOtherGuest(other)
        let move = try otherMove(other, at: "3MiB/s")
        let refused = try someone.run("move", "web1", "--to", "beta")
        refused.expect(.busy, "1 of 1 live moves to beta")
        let words = "moves of others on beta (1 of 1 coming)"
        let first = try someone.begin(["drain", "alpha", "--to", "beta", "--yes"])
        try expectSoon(within: .seconds(20)) {
            first.errors.contains("1 VM waits for \(words)")
        }
        first.signal(SIGINT)
        let interrupted = try first.finish()
        #expect(interrupted.status == 8, "\(interrupted)")
        #expect(interrupted.output.contains("not begun"), "\(interrupted)")
        #expect(!move.hasEnded)
        let drain = try someone.begin([
            "drain", "alpha", "--to", "beta", "--yes", "--output", "json",
        ])
        try drain.wait(for: "\"waits_for\":[\"\(words)\"]")
        #expect(!move.hasEnded)
        let run = try drain.finish()
        #expect(run.status == 0, "\(run)")
        #expect(try run.drainResult().safeToPowerOff)
        #expect(try move.finish().status == 0)
        #expect(try hosts.running(on: hosts.beta) == ["theirs", "web1"])
        try hosts.expectOnce(["theirs", "web1"])
    }

    // Breaks when a move that a host refuses in the middle of a drain, for slots that others have,
    // counts as failed.
    @Test(.timeLimit(.minutes(2))) func refusedMeanwhile() throws {
        let hosts = try ThreeHosts()
        let (someone, other) = (hosts.someone, try Operator())
        for host in hosts.all { try other.add(host) }
        try hosts.start(["web1", "web2"], "fill=24MiB")
        try startOtherGuest(other)
        try someone.succeed("host", "settings", "alpha", "--live-moves", "1")
        let drain = try someone.begin([
            "drain", "alpha", "--to", "beta", "--yes", "--bandwidth", "4MiB/s", "--compression",
            "none", "--output", "json",
        ])
        try drain.wait(for: #""phase":"pre-copy""#)
        let move = try otherMove(other, at: "3MiB/s")
        // What the drain has seen of beta is no longer so.
        try someone.succeed("host", "settings", "beta", "--live-moves", "1")
        try drain.wait(for: "moves of others on beta (2 of 2 coming)")
        #expect(!move.hasEnded)
        let run = try drain.finish()
        #expect(run.status == 0, "\(run)")
        #expect(run.output.contains("moves of others on beta (1 of 1 coming)"), "\(run)")
        #expect(try run.drainResult().vms.map(\.outcome) == ["moved", "moved"])
        #expect(try move.finish().status == 0)
        try hosts.expectOnce(["theirs", "web1", "web2"])
    }

    // Breaks when a drain whose controller was killed cannot be completed, or forgets who left.
    @Test(.timeLimit(.minutes(2))) func killedController() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(Self.guests, "fill=32MiB")
        try someone.succeed("host", "settings", "alpha", "--live-moves", "1")
        let drain = try someone.begin([
            "drain", "alpha", "--yes", "--bandwidth", "20MiB/s", "--compression", "none",
        ])
        try expectSoon(within: .seconds(30)) { drain.errors.contains("(1 of 4)") }
        drain.signal(SIGKILL)
        _ = try drain.finish()
        try expectSoon(within: .seconds(20)) {
            !hosts.all.contains { $0.processes.contains { $0.contains(" serve ") } }
        }
        try someone.succeed("recover")
        try hosts.expectOnce(Self.guests)
        let again = try someone.succeed("drain", "alpha", "--yes")
        #expect(again.lines.last?.contains("safe to power off") == true)
        try hosts.expectOnce(Self.guests)
        try someone.succeed("resume", "alpha", "--failback", "now", "--yes")
        #expect(try hosts.running(on: hosts.alpha) == Self.guests.sorted())
    }
}

extension CommandResult {
    /// What a drain says of itself in its last line.
    func drainResult() throws -> DrainTests.Result {
        let line = try #require(lines.last, "\(self)")
        let last = CommandResult(
            arguments: arguments, output: line, errors: errors, status: status)
        return try #require(try last.decode(DrainTests.Result.self).first)
    }
}
