import Handoff
import MigrationModel
import Ownership

/// The guardian of the VM on one host: the production core, whose effects are done in this world.
final class GuardianProcess: Process {
    /// Agents are known by their connections.
    private var core: GuardianCore<Int>
    /// The connection of the agent that started this process to receive a guest.
    private var starter: Int?
    private var hasDeadline = false
    /// Whether a mutant has forgotten what the record should say.
    private var isForgetful = false
    private let place: Int

    init(_ id: Int, on host: Int, _ right: Right) {
        core = GuardianCore(right: right)
        place = host
        super.init(id, "\(letter(host)).guardian", on: host)
    }

    // MARK: Start

    /// Begins to receive a guest: the record first, then the hypervisor.
    func receive(_ attempt: Attempt, from peer: Int, for starter: Int, in world: World) {
        self.starter = starter
        do throws(LivemigError) {
            try decide(.arm(attempt, by: starter), peer: peer, in: world)
            world.send(.armed, on: starter, from: id)
            world.set(.step, of: id, after: world.random.number(in: 20...400))
        } catch {
            world.send(.failed(error), on: starter, from: id)
            finish(in: world)
        }
    }

    private func launch(in world: World) {
        guard let starter else { return }
        if world.faults.has(.badLaunch), world.random.chance(50) {
            try? decide(.hypervisorEnded, in: world)
            world.send(
                .failed(LivemigError(.destinationQEMU, "does not start")), on: starter, from: id)
            return finish(in: world)
        }
        world.hosts[place].hypervisor = Hypervisor(
            state: .incoming, memory: 0, devices: 0, attempt: core.ownership.right.attempt)
        world.send(.launched, on: starter, from: id)
    }

    /// Starts the guest from power-on.
    func powerOn(in world: World) throws(LivemigError) {
        guard core.ownership.right.mayRun else {
            throw LivemigError(.vmState, "this host has no right to run the VM")
        }
        try decide(.powerOn, in: world)
        world.moment += 1
        world.hosts[place].hypervisor = Hypervisor(
            state: .paused, memory: world.moment, devices: world.moment)
        world.lastRun = (world.moment, place)
        try decide(.adopt(.stopped, keepsStill: false), in: world)
    }

    /// Takes over a guest whose guardian died.
    func adopt(in world: World) throws(LivemigError) {
        let isRunning = try world.status(at: place) == .running
        try decide(.adopt(isRunning ? .running : .stopped, keepsStill: false), in: world)
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
        case .end:
            guard core.work.client == client else { return }
            world.note(name, "the worker has gone")
            try? decide(.clientGone(client), in: world)
        default: break
        }
        if core.isFinished || isForgetful { finish(in: world) }
    }

    override func fired(_ timer: Timer, in world: World) {
        do throws(LivemigError) {
            switch timer {
            case .step: launch(in: world)
            case .deadline:
                guard hasDeadline else { return }
                hasDeadline = false
                world.note(name, "blackout deadline")
                try decide(.deadlinePassed, in: world)
            case .retry: try decide(.retry, in: world)
            case .ended:
                guard world.hosts[place].hypervisor?.isAlive != true else { return }
                hasDeadline = false
                world.note(name, "hypervisor ended")
                try decide(.hypervisorEnded, in: world)
            case .patience, .silence: break
            }
        } catch {
            world.note(name, "failed: \(error.code.rawValue)")
        }
        if core.isFinished { finish(in: world) }
    }

    private func finish(in world: World) {
        guard world.processes[id] != nil else { return }
        world.destroyGuest(at: place)
        switch core.written {
        case .gone, .aborted: world.hosts[place].isDefined = false
        default: break
        }
        world.end(id)
    }

    // MARK: Requests

    private func answer(
        _ request: GuardianRequest, of client: Int, in world: World
    ) throws(LivemigError) -> Message {
        switch request {
        case .describe: return .state(report(in: world))
        case .save:
            guard case .intent = core.ownership.right, hasDeadline else {
                throw LivemigError(.wire, "device state asked for outside a switchover")
            }
            return .saved(devices: try world.saveDevices(at: place))
        case .load(let devices):
            guard case .armed = core.ownership.right else {
                throw LivemigError(.wire, "device state came outside a hand-over")
            }
            try world.loadDevices(devices, at: place)
            return .done
        case .freeze:
            try world.stopGuest(at: place)
            return .done
        case .own(let attempt, let digest, let resume):
            let token = DestinationMachine.Event.token(attempt, digest: digest, resume: resume)
            try decide(.receive(token), in: world)
            return .resumed
        case .begin(let attempt, let peer, let keepPaused):
            let guest: SourceMachine.Guest =
                try world.status(at: place) == .running ? .running : .paused
            try decide(
                .begin(attempt, guest, keepPaused: keepPaused, by: client), peer: peer, in: world)
            return .done
        case .seize(let fenced):
            if let copy = world.hosts[place].hypervisor { world.acceptCopy(copy, on: place) }
            try decide(.peerFenced, peer: fenced, in: world)
            return .done
        default:
            if let input = try step(request, in: world) { try decide(input, in: world) }
            return .done
        }
    }

    /// A request that is nothing but a step of the core.
    private func step(
        _ request: GuardianRequest, in world: World
    ) throws(LivemigError) -> GuardianCore<Int>.Input? {
        switch request {
        case .stop: .give(.stop)
        case .release(let attempt, let ready, let own):
            .give(.release(attempt, ready: ready, own: own))
        case .finish(let attempt): .give(.acknowledged(attempt))
        case .overrule(let attempt): .give(.overruled(attempt))
        case .reclaim(let attempt): .give(.refused(attempt))
        case .abort: .abort
        case .ready(let attempt, let digest): .receive(.ready(attempt, digest: digest))
        case .discard(let attempt): .receive(.discard(attempt))
        case .powerOff: .powerOff
        case .settle: .settle(isRunning: try world.status(at: place) == .running)
        case .cancel: .cancel
        default: nil
        }
    }

    private func report(in world: World) -> HostReport {
        HostReport(
            view: HostView(
                right: core.written, guest: (try? world.status(at: place)) ?? .stopped),
            peer: world.hosts[place].disk.peer, isDefined: world.hosts[place].isDefined)
    }

    // MARK: Effects

    /// Has the core decide and does what it says, in order; the process or its host may die before
    /// each effect.
    private func decide(
        _ input: GuardianCore<Int>.Input, peer: Int? = nil, in world: World
    ) throws(LivemigError) {
        guard let input = world.misled(input, core.ownership.right) else {
            isForgetful = true
            return
        }
        if case .powerOff = input { world.excuse("the operator powers the guest off") }
        try core.plan(input)
        world.autoStart(after: input, on: place)
        while let effect = core.next {
            try world.crashPoint(of: self)
            do throws(LivemigError) {
                try perform(effect, peer, in: world)
                core.done()
            } catch {
                guard world.processes[id] != nil else { throw error }
                if core.failed(world.proof(error, on: place)) == .goesOn {
                    world.note(name, "record not written, the guest runs on")
                }
            }
        }
        try core.conclude()
    }

    private func perform(
        _ effect: GuardianCore<Int>.Effect, _ peer: Int?, in world: World
    ) throws(LivemigError) {
        switch effect {
        case .record(let right): try world.write(right, peer: peer, by: self)
        case .armDeadline:
            hasDeadline = true
            world.set(.deadline, of: id, after: HandoffLimits.blackout.ticks)
        case .disarmDeadline: hasDeadline = false
        case .stopGuest: try world.stopGuest(at: place)
        case .resumeGuest:
            // Of use only where a disk that is held puts it off.
            world.set(.retry, of: id, after: HandoffLimits.resumeInterval.ticks)
            try world.resumeGuest(at: place)
        case .destroyGuest: world.destroyGuest(at: place)
        case .letGo(let client): world.close(client, by: id)
        // No guest is saved in this world.
        case .resumeRestoredGuest, .keepSavedGuest, .spendSavedGuest, .removeUnfinishedSave: break
        }
    }
}
