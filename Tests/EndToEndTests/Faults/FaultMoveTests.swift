import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Moves that fail before the commit: the guest goes on running on the source, its memory intact,
/// the destination keeps nothing, and the next move works.
@Suite(.serialized) struct FaultMoveTests {
    private static let workload = "fill=24MiB ws=8MiB rate=20MiB/s writers=2 zero=8"

    /// What must hold after a move that failed before the commit.
    private func expectOnSource(_ hosts: TwoHosts, within limit: Duration = .seconds(1)) throws {
        try expectSoon(within: limit) { try hosts.summary(on: hosts.alpha).state == .running }
        #expect(try hosts.alpha.differingPages() == "0")
        try expectSoon(within: .seconds(10)) { hosts.beta.leftovers.isEmpty }
        try expectSoon(within: .seconds(10)) {
            hosts.beta.processes.allSatisfy { $0.contains(" serve ") }
        }
        #expect(try hosts.summary(on: hosts.alpha).right.word == "OWN")
    }

    /// Whether a host has a whole copy that waits to be told whose the guest is.
    private func hasReadyCopy(_ host: TestHost) throws -> Bool {
        let answer = try host.agent().request(
            ShowRecord(name: try VMName("guest")), for: RecordMessage.self)
        if case .ready? = answer.record?.right { return true }
        return false
    }

    private func expectNextMoveWorks(_ hosts: TwoHosts) throws {
        let (report, _) = try hosts.move(from: hosts.alpha, to: hosts.beta)
        #expect(report.isRunning)
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when a cancellation is not heard while lanes send, or leaves anything behind.
    @Test(.timeLimit(.minutes(1))) func cancelledInPreCopy() throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload)
        var policy = MigrationPolicy()
        policy.bandwidth = Bandwidth(bytesPerSecond: 2 << 20)
        policy.compression = .none
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy)
        try move.wait(for: .preCopy)
        try move.source.send(Cancel())
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.code == .cancelled)
        #expect(error?.guest?.state == .running)
        try expectOnSource(hosts)
        try expectNextMoveWorks(hosts)
    }

    // Breaks when the guardian does not notice its worker's death, or the destination keeps a copy.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [MovePhase.preCopy, MovePhase.switchover])
    func sourceAgentKilled(in phase: MovePhase) throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload + " slow-load=1500")
        var policy = MigrationPolicy()
        if phase == .preCopy { policy.bandwidth = Bandwidth(bytesPerSecond: 4 << 20) }
        policy.compression = .none
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy)
        try move.wait(for: phase)
        move.source.kill()
        try expectSoon(within: .seconds(1)) {
            try hosts.summary(on: hosts.alpha).state == .running
        }
        // A source that lived until its copy was whole leaves one that only a recovery may remove.
        try expectSoon(within: .seconds(10)) {
            try hosts.beta.leftovers.isEmpty || hasReadyCopy(hosts.beta)
        }
        if try hasReadyCopy(hosts.beta) {
            #expect(phase == .switchover)
            try Operator(hosts).succeed("recover", "guest")
        }
        try expectOnSource(hosts)
    }

    // Breaks when the source waits for a destination that has gone.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [MovePhase.preCopy, MovePhase.switchover])
    func destinationAgentKilled(in phase: MovePhase) throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload + " slow-load=1500")
        var policy = MigrationPolicy()
        if phase == .preCopy { policy.bandwidth = Bandwidth(bytesPerSecond: 4 << 20) }
        policy.compression = .none
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy)
        try move.wait(for: phase)
        move.destination.kill()
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.code.exitCode == .failedOnSource)
        try expectOnSource(hosts)
        try expectNextMoveWorks(hosts)
    }

    /// What a destination's hypervisor can do wrong, and what the operator hears.
    private static let refusals: [(String, ErrorCode)] = [
        ("refuse-load=1", .destinationQEMU), ("crash-at-load=1", .destinationQEMU),
        ("refuse-resume=1", .lock), ("slow-load=8000", .blackout),
    ]

    // Breaks when a destination that cannot go on leaves the guest paused, or hides its reason.
    @Test(.timeLimit(.minutes(1)), arguments: refusals)
    func destinationRefuses(_ fault: String, _ code: ErrorCode) throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload + " " + fault)
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta)
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.code == code, "\(error.map(String.init(describing:)) ?? "")")
        #expect(error?.guest?.state == .running)
        try expectOnSource(hosts)
    }

    // Breaks when a VM whose guardian was killed cannot be powered off, or not be started again.
    @Test(.timeLimit(.minutes(1))) func guardianKilled() throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload)
        let agent = try hosts.alpha.agent()
        let name = try VMName("guest")
        try hosts.alpha.killGuardian()
        #expect(try hosts.summary(on: hosts.alpha).state == .unknown)
        let stopped = try agent.request(StopMachine(name: name), for: MachineMessage.self)
        #expect(stopped.summary.state == .stopped)
        let started = try agent.request(StartMachine(name: name), for: MachineMessage.self)
        #expect(started.summary.state == .running)
    }

    // Breaks when a guest that writes faster than the lane carries is stopped beyond the budget.
    @Test(.timeLimit(.minutes(1))) func doesNotConverge() throws {
        let hosts = try TwoHosts()
        try hosts.start("fill=24MiB ws=16MiB rate=200MiB/s content=random")
        var policy = MigrationPolicy()
        policy.bandwidth = Bandwidth(bytesPerSecond: 16 << 20)
        policy.maxDowntime = .milliseconds(50)
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy)
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.code == .converge, "\(error.map(String.init(describing:)) ?? "")")
        try expectOnSource(hosts)
    }
}

/// Waits until something holds; it must within the limit.
func expectSoon(
    within limit: Duration, _ condition: () throws -> Bool,
    _ location: SourceLocation = #_sourceLocation
) throws {
    let deadline = MonotonicTime.now + limit
    while try !condition() {
        guard MonotonicTime.now < deadline else {
            Issue.record("did not hold within \(limit.brief)", sourceLocation: location)
            return
        }
        usleep(20_000)
    }
}
