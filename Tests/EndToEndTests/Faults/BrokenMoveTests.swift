import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What can happen to a move under way, as the operator sees it.
@Suite(.serialized) struct BrokenMoveTests {
    private static let workload = "fill=24MiB ws=8MiB rate=20MiB/s writers=2 zero=8"

    // Breaks when a controller that dies leaves the move running without anybody, or a copy.
    @Test(.timeLimit(.minutes(1))) func killedController() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let move = try someone.beginSlowMove()
        move.signal(SIGKILL)
        #expect(try move.finish().status == 128 + SIGKILL)
        try expectSoon(within: .seconds(10)) { hosts.beta.leftovers.isEmpty }
        try hosts.expectUntouched()
        try someone.succeed("move", "guest", "--to", "beta")
    }

    // Breaks when a preparation that nobody followed up blocks the way to that host for good, since
    // its epoch is used up there and not on the source.
    @Test(.timeLimit(.minutes(1))) func abandonedPreparations() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        for number: UInt64 in 1...2 {
            try prepareAndLeave(hosts, Epoch(number))
            try hosts.expectUntouched()
        }
        #expect(try hosts.summary(on: hosts.alpha).epoch == Epoch(0))
        let move = try someone.succeed("move", "guest", "--to", "beta", "--output", "json")
        #expect(try move.moveLines().last?.vmIs?.epoch == 3)
        #expect(try hosts.beta.differingPages() == "0")
    }

    /// Does what a controller does that dies after its first step.
    private func prepareAndLeave(_ hosts: TwoHosts, _ epoch: Epoch) throws {
        let shown = try hosts.alpha.agent().request(
            ShowMachine(name: try VMName("guest")), for: MachineMessage.self)
        let destination = try hosts.beta.agent()
        _ = try destination.request(
            PrepareIncoming(
                attempt: Attempt(migration: .random(), epoch: epoch),
                definition: shown.definition, secret: 1, source: hosts.alpha.name),
            for: Prepared.self)
        try destination.close()
    }
}
