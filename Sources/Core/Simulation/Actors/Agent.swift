import Handoff
import MigrationModel
import Ownership

/// `livemig-agent serve`: answers one controller, and does one side of a move.
final class AgentProcess: Process {
    let place: Int
    /// The connection to the controller.
    var controller = 0
    private var source: SourceWorker?
    private var destination: DestinationWorker?
    /// What is asked of the guardian for the controller, and the connection for it.
    private var asked: (request: Message, connection: Int, isAnswered: Bool)?

    init(_ id: Int, on host: Int, in world: World) {
        place = host
        super.init(id, "\(world.name(host)).agent\(id)", on: host)
    }

    /// The attempt that this agent waits for the source of.
    func awaits(_ attempt: Attempt) -> Bool { destination?.awaits(attempt) == true }

    func accept(_ link: Int, in world: World) { destination?.accept(link, in: world) }

    override func received(_ message: Message, on connection: Int, in world: World) {
        if connection == asked?.connection { return heard(message, in: world) }
        if source?.received(message, on: connection, in: world) == true { return }
        if destination?.received(message, on: connection, in: world) == true { return }
        switch message {
        case .prepare(let attempt, let from):
            guard destination?.isOver ?? true else { return refuse(.busy, in: world) }
            destination = DestinationWorker(attempt, from: from, agent: self)
            destination?.start(in: world)
        case .startOutgoing(let attempt, let to, let keepPaused):
            guard source?.isOver ?? true else { return refuse(.busy, in: world) }
            source = SourceWorker(attempt, to: to, keepPaused: keepPaused, agent: self)
            source?.start(in: world)
        case .cancelOwnMove:
            source?.cancel(LivemigError(.cancelled, "cancelled by the operator"), in: world)
        case .look, .recover, .cancelMachine, .stopMachine, .startMachine: ask(message, in: world)
        case .end:
            source?.cancel(LivemigError(.cancelled, "the controller has gone"), in: world)
            destination?.controllerGone(in: world)
            endIfIdle(in: world)
        default: break
        }
    }

    override func fired(_ timer: Timer, in world: World) {
        if asked != nil, timer == .ended {
            return conclude(.failed(LivemigError(.cleanup, "does not end")), in: world)
        }
        source?.fired(timer, in: world)
        destination?.fired(timer, in: world)
    }

    /// A process without a controller and without a move ends.
    func endIfIdle(in world: World) {
        guard !connections.contains(controller), source?.isOver ?? true,
            destination?.isOver ?? true
        else { return }
        world.end(id)
    }

    private func refuse(_ code: ErrorCode, in world: World) {
        world.send(.failed(LivemigError(code, "")), on: controller, from: id)
    }

    // MARK: Requests that the guardian answers, or the record where there is none

    private func ask(_ message: Message, in world: World) {
        do throws(LivemigError) {
            if case .startMachine = message {
                try start(in: world)
                return conclude(.done, in: world)
            }
            if case .recover = message { try world.adoptOrphan(on: place) }
            guard let guardian = world.hosts[place].guardian else {
                return conclude(try withoutGuardian(message, in: world), in: world)
            }
            let connection = world.connect(id, guardian)
            asked = (message, connection, false)
            world.send(.request(Self.request(message)), on: connection, from: id)
        } catch {
            conclude(.failed(error), in: world)
        }
    }

    private static func request(_ message: Message) -> GuardianRequest {
        switch message {
        case .recover(.settle): .settle
        case .recover(.discard(let attempt)): .discard(attempt)
        case .recover(.token(let attempt, let digest)):
            .own(attempt, digest: digest, resume: true)
        case .recover(.reclaim(let attempt)): .reclaim(attempt)
        case .recover(.finish(let attempt)): .finish(attempt)
        case .recover(.overrule(let attempt)): .overrule(attempt)
        case .recover(.freeze): .freeze
        case .recover(.seize(let fenced)): .seize(fenced: Int(fenced) ?? -1)
        case .cancelMachine: .cancel
        case .stopMachine: .powerOff
        default: .describe
        }
    }

    private func heard(_ message: Message, in world: World) {
        guard let asked else { return }
        switch message {
        case .state(let report): conclude(.view(report), in: world)
        case .failed: conclude(message, in: world)
        case .done, .resumed:
            guard asked.request.endsGuardian else { return conclude(.done, in: world) }
            self.asked?.isAnswered = true
            world.set(.ended, of: id, after: HandoffLimits.guardianEnd.ticks)
        case .end:
            if asked.isAnswered { return conclude(.done, in: world) }
            if case .look = asked.request, let view = world.reportWithoutGuardian(on: place) {
                return conclude(.view(view), in: world)
            }
            conclude(.failed(LivemigError(.disconnected, "the guardian has ended")), in: world)
        default: break
        }
    }

    private func conclude(_ answer: Message, in world: World) {
        if let asked { world.close(asked.connection, by: id) }
        asked = nil
        world.send(answer, on: controller, from: id)
    }

    private func withoutGuardian(
        _ message: Message, in world: World
    ) throws(LivemigError) -> Message {
        switch message {
        case .look:
            guard let report = world.reportWithoutGuardian(on: place) else {
                throw LivemigError(.fsync, "the record cannot be read")
            }
            return .view(report)
        case .recover(let step):
            try world.restOnRecord(step, by: self)
            return .done
        default: throw LivemigError(.notRunning, "the VM does not run here")
        }
    }

    private func start(in world: World) throws(LivemigError) {
        guard world.hosts[place].guardian == nil, world.hosts[place].isDefined else {
            throw LivemigError(.busy, "runs already")
        }
        if world.hosts[place].hypervisor?.isAlive == true {
            throw LivemigError(.vmState, "runs without its guardian")
        }
        let guardian = try world.startGuardian(on: place)
        do throws(LivemigError) {
            try guardian.powerOn(in: world)
        } catch {
            world.end(guardian.id)
            throw error
        }
    }
}

extension Message {
    /// Whether the guardian ends once it has done what is asked.
    fileprivate var endsGuardian: Bool {
        switch self {
        case .recover(.discard), .recover(.finish), .recover(.overrule), .stopMachine: true
        default: false
        }
    }
}
