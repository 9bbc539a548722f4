import Handoff
import MigrationModel
import Ownership

/// The guardian of the VM on one host: the production state machine, and what it says is done.
///
/// The loop around it is that of `Sources/Host/Guardian`.
final class GuardianProcess: Process {
    private var machine: GuardianMachine
    /// The connection of the agent that moves the VM.
    private var worker: Int?
    /// The connection of the agent that started this process to receive a guest.
    private var incoming: (attempt: Attempt, peer: Int, starter: Int)?
    private var isResumeOwed = false
    private var hasDeadline = false
    private var isFinished = false
    /// The record as it was last written.
    private var written: Right

    private let place: Int

    init(_ id: Int, on host: Int, _ machine: GuardianMachine) {
        self.machine = machine
        written = machine.right
        place = host
        super.init(id, "\(letter(host)).guardian", on: host)
    }

    // MARK: Start

    /// Begins to receive a guest: the record first, then the hypervisor.
    func receive(_ attempt: Attempt, from peer: Int, for starter: Int, in world: World) {
        incoming = (attempt, peer, starter)
        worker = starter
        do throws(LivemigError) {
            try handle(.destination(.arm(attempt)), peer: peer, in: world)
            world.send(.armed, on: starter, from: id)
            world.set(.step, of: id, after: world.random.number(in: 20...400))
        } catch {
            world.send(.failed(error), on: starter, from: id)
            finish(in: world)
        }
    }

    private func launch(in world: World) {
        guard let incoming else { return }
        if world.faults.has(.badLaunch), world.random.chance(50) {
            try? handle(.hypervisorEnded, in: world)
            world.send(
                .failed(LivemigError(.destinationQEMU, "does not start")), on: incoming.starter,
                from: id)
            return finish(in: world)
        }
        world.hosts[place].hypervisor = Hypervisor(state: .incoming, memory: 0, devices: 0)
        world.send(.launched, on: incoming.starter, from: id)
    }

    /// Starts the guest from power-on.
    func powerOn(in world: World) throws(LivemigError) {
        guard machine.right.mayRun else {
            throw LivemigError(.vmState, "this host has no right to run the VM")
        }
        try handle(.hypervisorEnded, in: world)
        world.moment += 1
        world.hosts[place].hypervisor = Hypervisor(
            state: .paused, memory: world.moment, devices: world.moment)
        world.lastRun = (world.moment, place)
        try handle(.adopted(.stopped), in: world)
    }

    /// Takes over a guest whose guardian died.
    func adopt(in world: World) throws(LivemigError) {
        try handle(.adopted(try isRunning(in: world) ? .running : .stopped), in: world)
    }

    // MARK: Loop

    override func received(_ message: Message, on client: Int, in world: World) {
        switch message {
        case .request(let request):
            do throws(LivemigError) {
                let answer = try answer(request, of: client, in: world)
                world.send(answer, on: client, from: id)
            } catch {
                world.note(name, "refused: \(error.code.rawValue) \(error.explanation)")
                world.send(.failed(error), on: client, from: id)
            }
            if isFinished { finish(in: world) }
        case .end: disconnect(client, in: world)
        default: break
        }
    }

    override func fired(_ timer: Timer, in world: World) {
        do throws(LivemigError) {
            switch timer {
            case .step: launch(in: world)
            case .deadline:
                guard hasDeadline else { return }
                hasDeadline = false
                world.note(name, "blackout deadline")
                try handle(.deadlinePassed, in: world)
            case .retry: if isResumeOwed { try resumeOwnGuest(in: world) }
            case .ended:
                guard world.hosts[place].hypervisor?.isAlive != true else { return }
                hasDeadline = false
                isFinished = true
                world.note(name, "hypervisor ended")
                try handle(.hypervisorEnded, in: world)
            case .patience, .silence: break
            }
        } catch {
            world.note(name, "failed: \(error.code.rawValue)")
        }
        if isFinished { finish(in: world) }
    }

    private func finish(in world: World) {
        guard world.processes[id] != nil else { return }
        world.destroyGuest(at: place)
        switch written {
        case .gone, .aborted: world.hosts[place].isDefined = false
        default: break
        }
        world.end(id)
    }

    private func disconnect(_ client: Int, in world: World) {
        guard worker == client else { return }
        worker = nil
        world.note(name, "the worker has gone")
        try? handle(.workerGone, in: world)
    }

    // MARK: Requests

    private func answer(
        _ request: GuardianRequest, of client: Int, in world: World
    ) throws(LivemigError) -> Message {
        switch request {
        case .describe: return .state(report(in: world))
        case .begin(let attempt, let peer, let keepPaused):
            try begin(attempt, peer, keepPaused, by: client, in: world)
        case .stop: try handle(.source(.stop), in: world)
        case .save:
            guard case .intent = machine.right, hasDeadline else {
                throw LivemigError(.wire, "device state asked for outside a switchover")
            }
            return .saved(devices: try world.saveDevices(at: place))
        case .release(let attempt, let ready, let own):
            try handle(.source(.release(attempt, ready: ready, own: own)), in: world)
        case .finish(let attempt):
            try handle(.source(.acknowledged(attempt)), in: world)
            isFinished = true
        case .overrule(let attempt):
            try handle(.source(.overruled(attempt)), in: world)
            isFinished = true
        case .reclaim(let attempt): try handle(.source(.refused(attempt)), in: world)
        case .abort: try handle(.source(.abort), in: world)
        case .load(let devices):
            guard case .armed = machine.right else {
                throw LivemigError(.wire, "device state came outside a hand-over")
            }
            try world.loadDevices(devices, at: place)
        case .ready(let attempt, let digest):
            try handle(.destination(.ready(attempt, digest: digest)), in: world)
        case .own(let attempt, let digest, let resume):
            try own(.token(attempt, digest: digest, resume: resume), in: world)
            return .resumed
        case .discard(let attempt):
            try handle(.destination(.discard(attempt)), in: world)
            isFinished = true
        case .powerOff: try powerOff(in: world)
        case .settle: try settle(in: world)
        case .cancel: try cancel(in: world)
        case .freeze: try world.stopGuest(at: place)
        case .seize(let fenced):
            if let copy = world.hosts[place].hypervisor { world.acceptCopy(copy, on: place) }
            try handle(.peerFenced, peer: fenced, in: world)
        }
        return .done
    }

    private func begin(
        _ attempt: Attempt, _ peer: Int, _ keepPaused: Bool, by client: Int, in world: World
    ) throws(LivemigError) {
        guard worker == nil else { throw busy }
        guard try isRunning(in: world) || keepPaused else {
            throw LivemigError(.vmState, "the guest does not run")
        }
        let before = machine
        machine = GuardianMachine(
            right: machine.right, guest: try isRunning(in: world) ? .running : .paused)
        worker = client
        do throws(LivemigError) {
            try handle(.source(.begin(attempt)), peer: peer, in: world)
        } catch {
            (worker, machine) = (nil, before)
            throw error
        }
    }

    private func own(
        _ token: DestinationMachine.Event, in world: World
    ) throws(LivemigError) {
        do throws(LivemigError) {
            try handle(.destination(token), in: world)
        } catch {
            if world.provesThatNothingRan(error, on: place) {
                try handle(.destination(.resumeRefused), in: world)
            }
            throw error
        }
    }

    private func settle(in world: World) throws(LivemigError) {
        if worker != nil, machine.right.isUnderWay { throw busy }
        try adopt(in: world)
    }

    private func cancel(in world: World) throws(LivemigError) {
        guard case .intent = machine.right, let worker else {
            guard machine.right.isUnderWay else {
                throw LivemigError(.notRunning, "no move of the VM is under way")
            }
            return try handle(.source(.abort), in: world)
        }
        world.close(worker, by: id)
        disconnect(worker, in: world)
    }

    private func powerOff(in world: World) throws(LivemigError) {
        guard case .owner = written else { throw LivemigError(.busy, "a migration holds the VM") }
        world.excuse("the operator powers the guest off")
        isFinished = true
    }

    private var busy: LivemigError { LivemigError(.busy, "another migration holds the VM") }

    private func isRunning(in world: World) throws(LivemigError) -> Bool {
        try world.status(at: place) == .running
    }

    private func report(in world: World) -> HostReport {
        HostReport(
            view: HostView(
                right: written, guest: (try? world.status(at: place)) ?? .stopped),
            peer: world.hosts[place].disk.peer, isDefined: world.hosts[place].isDefined)
    }

    // MARK: Effects

    /// Feeds the state machine and does what it says, in order; the process or its host may die
    /// before each effect.
    private func handle(
        _ event: GuardianMachine.Event, peer: Int? = nil, in world: World
    ) throws(LivemigError) {
        let before = machine
        let effects = try world.decide(event, &machine, on: place)
        for effect in effects {
            try world.crashPoint(of: self)
            switch effect {
            case .record(let right): try record(right, peer, before: before, in: world)
            case .armDeadline:
                hasDeadline = true
                let limit = HandoffLimits.blackout.ticks
                world.set(.deadline, of: id, after: limit)
            case .disarmDeadline: hasDeadline = false
            case .stopGuest: try world.stopGuest(at: place)
            case .resumeGuest: try resumeOwnGuest(in: world)
            case .destroyGuest:
                isResumeOwed = false
                world.destroyGuest(at: place)
            }
        }
        if machine.right.mayRun, !machine.right.isUnderWay { worker = nil }
    }

    private func record(
        _ right: Right, _ peer: Int?, before: GuardianMachine, in world: World
    ) throws(LivemigError) {
        do throws(LivemigError) {
            try world.write(right, peer: peer, by: self)
            written = right
        } catch {
            guard world.processes[id] != nil else { throw error }
            switch GuardianMachine.failure(toRecord: right, after: before.right) {
            case .goesOn: world.note(name, "record not written, the guest runs on")
            case .counts: throw error
            case .undone:
                machine = before
                throw error
            }
        }
    }

    /// Lets the guest run that this host owns; a disk that is held puts it off.
    private func resumeOwnGuest(in world: World) throws(LivemigError) {
        guard machine.right.mayRun else { return isResumeOwed = false }
        do throws(LivemigError) {
            try world.resumeGuest(at: place)
            isResumeOwed = false
        } catch {
            let isRepeated = isResumeOwed && error.code == .lock
            isResumeOwed = error.code == .lock
            if isResumeOwed { world.set(.retry, of: id, after: HandoffLimits.resumeInterval.ticks) }
            if !isRepeated { throw error }
        }
    }
}
