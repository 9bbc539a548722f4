import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What can happen to a move under way, as the operator sees it.
@Suite(.serialized) struct BrokenMoveTests {
    private static let workload = "fill=24MiB ws=8MiB rate=20MiB/s writers=2 zero=8"

    // Breaks when a second move of a VM is begun, called a duplicate, or disturbs the first.
    @Test(.timeLimit(.minutes(1))) func busy() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let slow = try someone.beginSlowMove()
        let second = try someone.run("move", "guest", "--to", "beta")
        second.expect(.busy, "another move", "livemig status guest")
        #expect(second.status == 11)
        second.expectRunning(on: "alpha")
        try someone.run("move", "guest", "--to", "alpha").expect(.alreadyThere)
        try someone.run("vm", "stop", "guest").expect(.busy)
        try someone.run("vm", "stop", "beta/guest").expect(.busy)
        let status = try someone.succeed("status", "guest")
        #expect(status.output.contains("a move is under way"), "\(status)")
        slow.signal(SIGINT)
        try slow.finish().expect(.cancelled)
        try hosts.expectUntouched()
    }

    /// What is killed while pages travel.
    enum Victim: CaseIterable {
        case sourceAgent, destinationAgent, destinationGuest, destinationSessions
    }

    // Breaks when the death of a part is not noticed, costs the guest, is not explained, or leaves
    // something that stands in the way of the next move.
    @Test(.timeLimit(.minutes(2))) func killedParts() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        for victim in Victim.allCases {
            let move = try someone.beginSlowMove()
            switch victim {
            case .sourceAgent: hosts.alpha.kill(with: " serve ")
            case .destinationAgent: hosts.beta.kill(with: " serve ")
            case .destinationGuest: hosts.beta.kill(with: "livemig-synthetic-guest")
            case .destinationSessions:
                let sessions = hosts.beta.sshdSessions
                #expect(sessions.count >= 2)
                for id in sessions { kill(id, SIGKILL) }
            }
            let run = try move.finish()
            let code: ErrorCode =
                victim == .destinationGuest ? .destinationQEMU : .disconnected
            run.expect(code)
            if code == .disconnected { run.expect(code, "then move again") }
            #expect(run.status == 5, "\(victim): \(run)")
            let result = try #require(try run.moveLines().last)
            #expect(result.outcome == "failed")
            #expect(result.vmIs?.state == "running" && result.vmIs?.host == "alpha", "\(run)")
            try hosts.expectUntouched()
            #expect(try hosts.alpha.differingPages() == "0", "\(victim)")
        }
        try someone.succeed("move", "guest", "--to", "beta")
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when a destination that stops answering keeps the move, or what is left of it is not
    // removed once it goes on.
    @Test(.timeLimit(.minutes(1))) func stalledDestination() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let move = try someone.beginSlowMove()
        let sessions = hosts.beta.sshdSessions
        #expect(sessions.count >= 2)
        let start = MonotonicTime.now
        for id in sessions { kill(id, SIGSTOP) }
        let run = try move.finish()
        let took = start.elapsed
        for id in sessions { kill(id, SIGCONT) }
        run.expect(.stall, "10.0 s", "check alpha, beta and the link")
        #expect(took > .seconds(9) && took < .seconds(18), "\(took)")
        #expect(run.status == 5)
        let result = try #require(try run.moveLines().last)
        #expect(result.vmIs == .init(state: "running", host: "alpha", epoch: 1))
        try hosts.expectUntouched()
        #expect(try hosts.alpha.differingPages() == "0")
    }

    // Breaks when a stop that took too long is said to have been cancelled, which is what the
    // destination makes of it.
    @Test(.timeLimit(.minutes(1))) func slowDestination() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload + " slow-load=8000")
        let run = try someone.run("move", "guest", "--to", "beta")
        run.expect(.blackout)
        #expect(run.status == 5)
        run.expectRunning(on: "alpha")
    }

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
