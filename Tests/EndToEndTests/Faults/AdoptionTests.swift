import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guests whose guardian was killed: a new one takes them over, and they go on as they were.
@Suite(.serialized) struct AdoptionTests {
    /// Two hosts with a guest on alpha that works all the time.
    private static func hosts(_ kind: GuestKind) throws -> TwoHosts {
        let hosts = try TwoHosts()
        switch kind {
        case .synthetic:
            try hosts.start("fill=16MiB ws=4MiB rate=1MiB/s writers=2")
        case .linux: try hosts.startLinux("lm.fill=32 lm.ws=4 lm.rate=10 lm.beat=100")
        }
        return hosts
    }

    /// Slow enough to be met in the middle of the first round.
    private static var slow: MigrationPolicy {
        var policy = MigrationPolicy()
        policy.bandwidth = Bandwidth(bytesPerSecond: 8 << 20)
        policy.compression = .none
        return policy
    }

    /// The guest goes on counting and its memory is intact, here and after moves there and back,
    /// which track its writes anew.
    private func expectAlive(_ hosts: TwoHosts, since beat: Beat, _ kind: GuestKind) throws {
        var last = try hosts.alpha.expectProgress(since: beat)
        for (source, destination) in [(hosts.alpha, hosts.beta), (hosts.beta, hosts.alpha)] {
            let (report, _) = try hosts.move(from: source, to: destination)
            #expect(report.isRunning)
            #expect(report.sourceIsClean)
            #expect(source.leftovers == [])
            last = try destination.expectProgress(since: last)
            if kind == .synthetic { #expect(try destination.differingPages() == "0") }
        }
    }

    // Breaks when a guest without its guardian stops, is started a second time, cannot be taken
    // over, or cannot be moved afterwards.
    @Test(.timeLimit(.minutes(3)), arguments: GuestKind.allCases)
    func noMove(_ kind: GuestKind) throws {
        let hosts = try Self.hosts(kind)
        let beat = try hosts.alpha.nextBeat()
        try hosts.alpha.killGuardian()
        #expect(try hosts.summary(on: hosts.alpha).state == .unknown)
        try hosts.expectRecovered()
        // Nothing is left to do.
        let again = try hosts.alpha.recover("guest")
        #expect(again.status == 0 && again.output == "guest: running, epoch 0\n", "\(again)")
        try expectAlive(hosts, since: beat, kind)
    }

    // Breaks when the intent of a move whose guardian and worker died is not given up, or when
    // write tracking that the dead worker began keeps the next move from tracking.
    @Test(.timeLimit(.minutes(3)), arguments: GuestKind.allCases)
    func inRounds(_ kind: GuestKind) throws {
        let hosts = try Self.hosts(kind)
        let beat = try hosts.alpha.nextBeat()
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, Self.slow)
        try move.wait(for: .preCopy)
        try hosts.killSource()
        try hosts.expectRecovered()
        #expect(try hosts.summary(on: hosts.alpha).epoch == move.attempt.epoch)
        try hosts.expectDiscarded(move.attempt)
        try expectAlive(hosts, since: beat, kind)
    }

    // Breaks when a guest that was stopped for the switchover stays stopped for good.
    @Test(.timeLimit(.minutes(3)), arguments: GuestKind.allCases)
    func stoppedInSwitchover(_ kind: GuestKind) throws {
        let hosts = try Self.hosts(kind)
        let beat = try hosts.alpha.nextBeat()
        let move = try stopInSwitchover(hosts)
        try hosts.killSource()
        try hosts.expectRecovered()
        hosts.beta.signal(SIGCONT, to: " guard ")
        try hosts.expectDiscarded(move.attempt)
        try expectAlive(hosts, since: beat, kind)
    }

    // Breaks when a guest that is to stand still until somebody has looked is resumed first, or a
    // guest that runs without any record is ended or given a record.
    @Test(.timeLimit(.minutes(1))) func frozenAndWithoutRecord() throws {
        let hosts = try Self.hosts(.synthetic)
        let beat = try hosts.alpha.nextBeat()
        let name = try VMName("guest")
        try hosts.alpha.killGuardian()
        let record = "\(hosts.alpha.root)/vms/guest/ownership"
        #expect(unsafe rename(record, record + ".away") == 0)
        let refused = try hosts.alpha.recover("guest")
        #expect(refused.status != 0 && refused.output.contains("E-JOURNAL"), "\(refused)")
        #expect(unsafe access(record, F_OK) != 0)
        #expect(hosts.alpha.processIDs(with: "livemig-synthetic-guest").count == 1)
        #expect(unsafe rename(record + ".away", record) == 0)
        for (step, state) in [
            (RecoveryStep.freeze, GuestLocation.State.paused), (.settle, .running),
        ] {
            _ = try hosts.alpha.agent().request(
                RecoverMachine(name: name, uuid: TwoHosts.guest, step: step), for: DoneMessage.self)
            #expect(try hosts.summary(on: hosts.alpha).state == state)
        }
        try expectAlive(hosts, since: beat, .synthetic)
    }

    // Breaks when a worker whose guardian died leaves the guest standing still until somebody
    // comes: it calls for a new guardian itself.
    @Test(.timeLimit(.minutes(1))) func workerCallsForGuardian() throws {
        let hosts = try Self.hosts(.synthetic)
        let beat = try hosts.alpha.nextBeat()
        let move = try stopInSwitchover(hosts)
        for id in hosts.alpha.guardians { kill(id, SIGKILL) }
        try expectSoon(within: .seconds(1)) {
            try hosts.summary(on: hosts.alpha).state == .running
        }
        hosts.beta.signal(SIGCONT, to: " guard ")
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.guest?.state == .running, "\(error.map(String.init(describing:)) ?? "")")
        try hosts.expectDiscarded(move.attempt)
        try expectAlive(hosts, since: beat, .synthetic)
    }

    /// Brings a move to where the guest stands still on alpha, and stays so for some seconds: the
    /// destination's guardian, which only loads the device state, does not answer.
    private func stopInSwitchover(_ hosts: TwoHosts) throws -> MoveInProgress {
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, Self.slow)
        try move.wait(for: .preCopy)
        // Its answer shows that the hypervisor is up and its worker knows it.
        try expectSoon(within: .seconds(10)) {
            try hosts.summary(on: hosts.beta).state == .paused
        }
        hosts.beta.signal(SIGSTOP, to: " guard ")
        try expectSoon(within: .seconds(40)) {
            try hosts.summary(on: hosts.alpha).state == .paused
        }
        return move
    }

    // Breaks when two that take a guest over at once both get it, or one of them fails.
    @Test(.timeLimit(.minutes(1))) func twoAtOnce() throws {
        let hosts = try Self.hosts(.synthetic)
        let beat = try hosts.alpha.nextBeat()
        try hosts.alpha.killGuardian()
        let (program, root) = (try BuildProducts.program("livemig-agent"), hosts.alpha.root)
        let others = (1...3).map { number in
            WorkerThread("recover \(number)") {
                try Tool.outcome(program, ["recover", "--root", root])
            }
        }
        for other in others {
            let (status, output) = try other.join()
            #expect(status == 0 && output.contains("running, epoch 0"), "\(status) \(output)")
        }
        try expectSoon(within: .seconds(5)) { hosts.alpha.guardians.count == 1 }
        #expect(hosts.alpha.processIDs(with: "livemig-synthetic-guest").count == 1)
        try expectAlive(hosts, since: beat, .synthetic)
    }

    // Breaks when a start beside a guest that runs starts it twice, or when the operator hears
    // that it does not run.
    @Test(.timeLimit(.minutes(1))) func startOfRunningGuest() throws {
        let hosts = try Self.hosts(.synthetic)
        let beat = try hosts.alpha.nextBeat()
        let guests = hosts.alpha.processIDs(with: "livemig-synthetic-guest")
        try hosts.alpha.killGuardian()
        let started = try hosts.alpha.agent().request(
            StartMachine(name: try VMName("guest")), for: MachineMessage.self)
        #expect(started.summary.state == .running)
        #expect(hosts.alpha.processIDs(with: "livemig-synthetic-guest") == guests)
        try expectAlive(hosts, since: beat, .synthetic)
    }

    // Breaks when a hypervisor that died together with its guardian is waited for, when the record
    // stays an intent, or when recovery starts what is off.
    @Test(.timeLimit(.minutes(1))) func hypervisorDiedToo() throws {
        let hosts = try Self.hosts(.synthetic)
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, Self.slow)
        try move.wait(for: .preCopy)
        try hosts.killSource()
        hosts.alpha.kill(with: "livemig-synthetic-guest")
        let (status, output) = try hosts.alpha.recover()
        #expect(status == 0 && output.contains("given up; off"), "\(output)")
        let summary = try hosts.summary(on: hosts.alpha)
        #expect(summary.state == .stopped && summary.right.word == "OWN")
        #expect(hosts.alpha.processes.isEmpty)
        #expect(try hosts.alpha.recover().output == "guest: off, epoch 1\n")
        try hosts.expectDiscarded(move.attempt)
    }

    // Breaks when a copy that can never run stays on the destination, or its record does not say
    // that it has gone.
    @Test(.timeLimit(.minutes(2)), arguments: GuestKind.allCases)
    func incompleteCopy(_ kind: GuestKind) throws {
        let hosts = try Self.hosts(kind)
        let beat = try hosts.alpha.nextBeat()
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, Self.slow)
        try move.wait(for: .preCopy)
        try expectSoon(within: .seconds(10)) {
            try hosts.summary(on: hosts.beta).state == .paused
        }
        hosts.beta.signal(SIGSTOP, to: " serve ")
        try hosts.beta.killGuardian()
        hosts.beta.signal(SIGKILL, to: " serve ")
        let (status, output) = try hosts.beta.recover()
        #expect(status == 0 && output.contains("never became whole is removed"), "\(output)")
        #expect(hosts.beta.leftovers == [])
        let name = try VMName("guest")
        let record = try hosts.beta.agent().request(
            ShowRecord(name: name), for: RecordMessage.self)
        #expect(record.record?.right == .aborted(move.attempt))
        #expect(throws: LivemigError.self) { try move.finish() }
        try expectAlive(hosts, since: beat, kind)
    }

    // Breaks when a host alone decides what only its peer knows: a whole copy that waits for the
    // right is neither started nor removed, and can still take the right afterwards.
    @Test(.timeLimit(.minutes(2)), arguments: GuestKind.allCases)
    func wholeCopy(_ kind: GuestKind) throws {
        let hosts = try Self.hosts(kind)
        let beat = try hosts.alpha.nextBeat()
        let (attempt, digest) = try releaseWithoutToken(hosts)
        for host in [hosts.alpha, hosts.beta] {
            try host.killGuardian()
            let (status, output) = try host.recover()
            #expect(status == ExitCode.inTransfer.rawValue, "\(output)")
            #expect(output.hasPrefix("guest: taken over"), "\(output)")
            #expect(try hosts.summary(on: host).state == .paused)
            #expect(host.guardians.count == 1)
        }
        let name = try VMName("guest")
        for (host, step) in [
            (hosts.beta, RecoveryStep.token(attempt, digest: digest)),
            (hosts.alpha, .finish(attempt)),
        ] {
            _ = try host.agent().request(
                RecoverMachine(name: name, uuid: TwoHosts.guest, step: step), for: DoneMessage.self)
        }
        #expect(try hosts.summary(on: hosts.beta).state == .running)
        #expect(hosts.alpha.leftovers == [])
        let after = try hosts.beta.expectProgress(since: beat)
        if kind == .synthetic { #expect(try hosts.beta.differingPages() == "0") }
        let (report, _) = try hosts.move(from: hosts.beta, to: hosts.alpha)
        #expect(report.isRunning)
        try hosts.alpha.expectProgress(since: after)
    }

    /// Kills both workers between the source's release and the destination's taking of the right:
    /// the destination's guardian answers until its copy is whole, and not the token.
    private func releaseWithoutToken(_ hosts: TwoHosts) throws -> (Attempt, Bits128) {
        let move = try stopInSwitchover(hosts)
        // All has been sent once the destination waits for its guardian to load the state.
        try expectSoon(within: .seconds(5)) { hosts.beta.isWaitingForGuardian }
        hosts.alpha.signal(SIGSTOP, to: " serve ")
        hosts.beta.signal(SIGCONT, to: " guard ")
        let name = try VMName("guest")
        var digest: Bits128?
        try expectSoon(within: .seconds(5)) {
            let record = try hosts.beta.agent().request(
                ShowRecord(name: name), for: RecordMessage.self)
            digest = record.record?.right.digest
            return digest != nil
        }
        hosts.beta.signal(SIGSTOP, to: " guard ")
        hosts.alpha.signal(SIGCONT, to: " serve ")
        try expectSoon(within: .seconds(5)) {
            try hosts.summary(on: hosts.alpha).right.word == "REL"
        }
        for host in [hosts.alpha, hosts.beta] { host.signal(SIGKILL, to: " serve ") }
        return (move.attempt, try #require(digest))
    }
}
