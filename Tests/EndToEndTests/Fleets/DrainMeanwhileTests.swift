import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What others do to a host and its guests while it is drained.
@Suite(.serialized) struct DrainMeanwhileTests {
    // Breaks when a host can be opened under a drain, which then empties an open host and forgets
    // who left it; or when guests that others stopped or removed keep an empty host from success.
    @Test(.timeLimit(.minutes(1))) func resumedStoppedRemoved() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["web1", "web2", "web3"], "fill=24MiB")
        try someone.succeed("host", "settings", "alpha", "--live-moves", "1")
        let drain = try someone.begin([
            "drain", "alpha", "--to", "beta", "--yes", "--bandwidth", "4MiB/s", "--compression",
            "none", "--output", "json",
        ])
        try drain.wait(for: #""phase":"pre-copy""#)
        try someone.run("resume", "alpha").expect(.busy, "1 guest leaves", "Ctrl-C")
        try someone.run("resume", "alpha", "--failback", "now", "--yes").expect(.busy)
        try someone.succeed("vm", "stop", "alpha/web2")
        try someone.succeed("vm", "stop", "alpha/web3")
        try someone.succeed("vm", "remove", "alpha/web3")
        let run = try drain.finish()
        #expect(run.status == 0, "\(run)")
        let result = try run.drainResult()
        #expect(result.safeToPowerOff)
        #expect(result.vms.map(\.outcome) == ["moved", "not-running", "removed"], "\(run)")
        #expect(!(try someone.succeed("plan", "drain", "alpha").output.contains("predicted")))
        let back = try someone.run("resume", "alpha", "--failback", "now", "--yes")
        #expect(back.output.contains("1 of 1 moves made"), "\(back)")
        try hosts.expectOnce(["web1"])
    }

    // Breaks when a guest that somebody else has moved away counts as one that could not be moved.
    @Test(.timeLimit(.minutes(1))) func movedBySomebodyElse() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["web1", "web2"], "fill=24MiB")
        try someone.succeed("host", "settings", "alpha", "--live-moves", "1")
        let drain = try someone.begin([
            "drain", "alpha", "--to", "beta", "--yes", "--bandwidth", "4MiB/s", "--compression",
            "none", "--output", "json",
        ])
        try drain.wait(for: #""phase":"pre-copy""#)
        try someone.succeed("host", "settings", "alpha", "--live-moves", "2")
        try someone.succeed("move", "alpha/web2", "--to", "gamma")
        let run = try drain.finish()
        #expect(run.status == 0, "\(run)")
        let result = try run.drainResult()
        #expect(result.vms.map(\.outcome) == ["moved", "moved-by-others"], "\(run)")
        #expect(result.vms.last?.destination == "gamma")
        #expect(try hosts.running(on: hosts.gamma) == ["web2"])
    }

    // Breaks when a move whose connections broke, as on a loaded host, is lost for the drain while its
    // guest runs on, or when the second try is not told.
    @Test(.timeLimit(.minutes(1))) func brokenMoveIsMadeAgain() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=8MiB")
        let drain = try someone.begin([
            "drain", "alpha", "--to", "beta", "--yes", "--bandwidth", "4MiB/s", "--compression",
            "none", "--output", "json",
        ])
        try drain.wait(for: #""phase":"pre-copy""#)
        for session in hosts.beta.sshdSessions { kill(session, SIGKILL) }
        let run = try drain.finish()
        #expect(run.status == 0, "\(run)")
        #expect(try run.drainResult().vms.map(\.outcome) == ["moved"], "\(run)")
        #expect(run.output.contains(#""event":"retry""#), "\(run)")
        #expect(run.errors.contains("guest still runs on alpha, and is moved again in"), "\(run)")
        #expect(try hosts.summary(on: hosts.beta).state == .running)
        let history = try someone.succeed("history").output
        #expect(history.contains("E-DISCONNECTED"), "\(history)")
    }

    // Breaks when the leave to move paused guests pauses those that run, or lets a paused one run.
    @Test(.timeLimit(.minutes(1))) func keepPausedPausesNobody() throws {
        let hosts = try ThreeHosts()
        let someone = hosts.someone
        try hosts.start(["runs", "stands"])
        let list = try hosts.alpha.agent().request(ListMachines(), for: MachineListMessage.self)
        let uuid = try #require(list.list.machines.first { $0.name == "stands" }?.uuid)
        _ = try hosts.alpha.agent().request(
            RecoverMachine(name: VMName("stands"), uuid: uuid, step: .freeze), for: DoneMessage.self
        )
        let drain = try someone.succeed("drain", "alpha", "--to", "beta", "--yes", "--keep-paused")
        #expect(drain.output.contains("safe to power off"), "\(drain)")
        #expect(try hosts.running(on: hosts.beta) == ["runs"])
        let back = try someone.succeed(
            "resume", "alpha", "--failback", "now", "--yes", "--keep-paused")
        #expect(back.output.contains("2 of 2 moves made"), "\(back)")
        #expect(try hosts.running(on: hosts.alpha) == ["runs"])
        try someone.run("vm", "start", "stands")
            .expect(.busy, "is paused", "livemig recover stands")
        #expect(
            try someone.succeed("status", "stands").output.contains("stands is paused on alpha"))
    }
}
