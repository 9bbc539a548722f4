import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Lists of moves that are interrupted, and moves whose time is over in the middle of a round.
@Suite(.serialized) struct InterruptedListTests {
    // Breaks when a signal is heard only in the first move of a list, or the rest is moved or is
    // not told.
    @Test(.timeLimit(.minutes(1))) func secondOfThree() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let names = ["one", "two", "three"]
        for name in names {
            let file = try someone.definition(name, "fill=4MiB rate=1MiB/s")
            try someone.succeed("vm", "define", file, "--on", "alpha")
            try someone.succeed("vm", "start", name)
        }
        let move = try someone.begin(
            ["move"] + names + [
                "--to", "beta", "--bandwidth", "1MiB/s", "--compression", "none", "--output",
                "json",
            ])
        try move.wait(for: #""phase":"committed""#)
        try move.wait(for: #""vm":"two""#)
        move.signal(SIGTERM)
        let run = try move.finish()
        #expect(run.status == 8, "\(run)")
        let results = try run.moveLines().filter { $0.event == "result" }
        #expect(results.map(\.vm) == names)
        #expect(results.map(\.outcome) == ["moved", "cancelled", "cancelled"])
        let list = try someone.succeed("vm", "list", "alpha")
        #expect(list.lines.dropFirst().count == 2, "\(list)")
        for name in names { try someone.succeed("vm", "stop", name) }
    }

    // Breaks when a move that is to give up when its time is over goes on to the end of a round.
    @Test(.timeLimit(.minutes(1))) func timeIsOverInARound() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=24MiB ws=1MiB rate=1MiB/s writers=1 zero=0")
        let run = try someone.run(
            "move", "guest", "--to", "beta", "--timeout", "3s", "--bandwidth", "2Mbit",
            "--compression", "none", "--output", "json")
        run.expect(.timeout, "still in round 0")
        let result = try #require(try run.moveLines().last)
        #expect(result.outcome == "failed")
        #expect(result.vmIs?.host == "alpha")
        // The round alone takes 100 s.
        #expect(try #require(result.totalMs) < 30_000)
        try hosts.expectUntouched()
        #expect(try hosts.alpha.differingPages() == "0")
    }

    // Breaks when a round that is cut to switch over loses pages.
    @Test(.timeLimit(.minutes(1))) func timeIsOverAndTheGuestIsStopped() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=12MiB ws=1MiB rate=1MiB/s writers=1 zero=0")
        let run = try someone.run(
            "move", "guest", "--to", "beta", "--timeout", "4s", "--on-timeout", "pause",
            "--bandwidth", "3MiB/s", "--compression", "none", "--output", "json")
        #expect(run.status == 0, "\(run)")
        #expect(try hosts.beta.differingPages() == "0")
        #expect(hosts.alpha.leftovers == [])
    }
}
