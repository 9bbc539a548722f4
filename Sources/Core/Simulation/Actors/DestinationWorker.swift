import Handoff
import MigrationModel
import Ownership

/// One move, seen from the destination's worker: makes room, places pages, says READY, and hands
/// the token to the guardian.
///
/// The order of steps, and what each failure leads to, is that of `DestinationRole` and `Takeover`
/// in `Sources/Host/HostAgent`.
final class DestinationWorker {
    private enum Stage { case preparing, gathering, taking, over }

    /// What the guardian is asked for at the moment.
    private enum Question {
        case load(Bits128)
        case ready(Bits128)
        case own
        case discard(LivemigError)
    }

    private let attempt: Attempt
    private let peer: Int
    private unowned let agent: AgentProcess
    private var stage = Stage.preparing
    private var guardian: Int?
    private var link: Int?
    private var hasMachine = false
    private var isLinkGreeted = false
    private var lastHeard = 0
    private var question: Question?
    /// What came while the guardian was asked.
    private var inbox: [Message] = []

    private var placed = (memory: 0, isDamaged: false)
    private var devices = 0
    private var digest: Bits128?
    private var isOwner = false
    private var resume = true

    private static let silenceInterval = HandoffLimits.linkSilence.ticks / 4

    init(_ attempt: Attempt, from peer: Int, agent: AgentProcess) {
        self.attempt = attempt
        self.peer = peer
        self.agent = agent
    }

    var isOver: Bool { stage == .over }

    func awaits(_ attempt: Attempt) -> Bool {
        link == nil && stage == .gathering && attempt == self.attempt
    }

    // MARK: Start

    func start(in world: World) {
        do throws(LivemigError) {
            guard !world.hosts[agent.place].isDefined else {
                throw LivemigError(.duplicateVM, "a VM of that name is here already")
            }
            if world.hosts[agent.place].hypervisor?.isAlive == true {
                throw LivemigError(.vmState, "runs without its guardian")
            }
            let process = try world.startGuardian(on: agent.place)
            world.hosts[agent.place].isDefined = true
            let connection = world.connect(agent.id, process.id)
            guardian = connection
            process.receive(attempt, from: peer, for: connection, in: world)
        } catch {
            over(error, in: world)
        }
    }

    func accept(_ link: Int, in world: World) {
        self.link = link
        lastHeard = world.now
        world.set(.silence, of: agent.id, after: Self.silenceInterval)
        gather(in: world)
    }

    private func gather(in world: World) {
        guard stage == .gathering, hasMachine, link != nil else { return }
        tell(.machineReady, in: world)
        stage = .taking
    }

    /// Until the source has come, only the controller knows whether it ever will.
    func controllerGone(in world: World) {
        guard stage == .preparing || stage == .gathering, link == nil else { return }
        over(LivemigError(.cancelled, "the controller has gone"), in: world)
    }

    // MARK: What comes in

    /// Takes a message in; `false` when it is not for this worker.
    func received(_ message: Message, on connection: Int, in world: World) -> Bool {
        guard !isOver else { return false }
        if connection == guardian {
            if case .end = message { guardian = nil }
            guardianSaid(message, in: world)
            return true
        }
        guard connection == link else { return false }
        lastHeard = world.now
        if question == nil { heard(message, in: world) } else { inbox.append(message) }
        return true
    }

    func fired(_ timer: Timer, in world: World) {
        switch timer {
        case .patience where stage == .gathering:
            over(LivemigError(.stall, "the source has not come"), in: world)
        case .silence where !isOver && link != nil:
            guard world.now - lastHeard > HandoffLimits.linkSilence.ticks, question == nil,
                !isUndecided(in: world)
            else { return world.set(.silence, of: agent.id, after: Self.silenceInterval) }
            guard !isOwner else { return over(nil, in: world) }
            fail(LivemigError(.stall, "nothing from the source"), in: world)
        default: break
        }
    }

    /// A ready copy waits without limit, unless the right or the refusal came in another way.
    private func isUndecided(in world: World) -> Bool {
        guard let digest, !isOwner else { return false }
        return world.hosts[agent.place].disk.right == .ready(attempt, digest: digest)
    }

    private func heard(_ message: Message, in world: World) {
        switch message {
        case .end:
            guard !isOwner else { return over(nil, in: world) }
            fail(LivemigError(.disconnected, "the source ended the connection"), in: world)
        case .link(let message): heard(message, in: world)
        default: break
        }
    }

    private func heard(_ message: LinkMessage, in world: World) {
        switch message {
        case .probe: tell(.probeReply, in: world)
        case .pages(let memory, let isDamaged): place(memory, isDamaged, in: world)
        case .devices(let moment): devices = moment
        case .final(let attempt, let digest, let resume):
            guard attempt == self.attempt, self.digest == nil else {
                return fail(LivemigError(.migrationID, "FINAL of another attempt"), in: world)
            }
            self.resume = resume
            finish(digest, in: world)
        case .token(let attempt, let digest):
            guard attempt == self.attempt, digest == self.digest else {
                return fail(LivemigError(.migrationID, "the token of another attempt"), in: world)
            }
            question = .own
            ask(.own(attempt, digest: digest, resume: resume), in: world)
        case .abort(attempt):
            fail(LivemigError(.cancelled, "the source gave the attempt up"), in: world)
        default: break
        }
    }

    private func place(_ memory: Int, _ isDamaged: Bool, in world: World) {
        placed = (memory, isDamaged)
        world.place(memory, isDamaged: isDamaged, for: attempt, on: agent.place)
        tell(.placed, in: world)
    }

    private func finish(_ digest: Bits128, in world: World) {
        let own = imageDigest(ofMemory: placed.memory, isDamaged: placed.isDamaged)
        guard world.agree(own, digest) else {
            return fail(LivemigError(.verify, "the pages placed differ"), in: world)
        }
        question = .load(digest)
        ask(.load(devices: devices), in: world)
    }

    // MARK: Guardian

    private func ask(_ request: GuardianRequest, in world: World) {
        guard let guardian else {
            return guardianSaid(.failed(LivemigError(.disconnected, "no guardian")), in: world)
        }
        world.send(.request(request), on: guardian, from: agent.id)
    }

    private func guardianSaid(_ message: Message, in world: World) {
        if let question { return answered(question, message, in: world) }
        switch message {
        case .armed:
            stage = .gathering
            world.send(.prepared, on: agent.controller, from: agent.id)
            world.set(.patience, of: agent.id, after: HandoffLimits.preparation.ticks)
        case .launched:
            hasMachine = true
            gather(in: world)
        case .failed(let error): over(error, in: world)
        case .end:
            let error = LivemigError(.destinationQEMU, "the guest's process ended")
            if stage == .taking { fail(error, in: world) } else { over(error, in: world) }
        default: break
        }
    }

    private func answered(_ question: Question, _ message: Message, in world: World) {
        var failure: LivemigError?
        if case .failed(let error) = message { failure = error }
        if case .end = message { failure = LivemigError(.disconnected, "the guardian has ended") }
        self.question = nil
        switch (question, failure) {
        case (.discard(let error), let failure): givenUp(error, failure, in: world)
        case (_, let error?): fail(error, in: world)
        case (.load(let digest), nil):
            self.question = .ready(digest)
            ask(.ready(attempt, digest: digest), in: world)
        case (.ready(let digest), nil):
            self.digest = digest
            tell(.ready(attempt, digest: digest), in: world)
        case (.own, nil):
            isOwner = true
            tell(.acknowledged(attempt), in: world)
        }
        while self.question == nil, !isOver, !inbox.isEmpty {
            heard(inbox.removeFirst(), in: world)
        }
    }

    // MARK: End

    /// Gives the attempt up unless the guest is this host's, or may become so.
    private func fail(_ error: LivemigError, in world: World) {
        guard stage == .taking else { return over(error, in: world) }
        guard Farewell(after: error, isOwner: isOwner, isReady: digest != nil) == .discard else {
            tell(.failure(error), in: world)
            return over(error, in: world)
        }
        question = .discard(error)
        ask(.discard(attempt), in: world)
    }

    /// Only a durable refusal is one.
    private func givenUp(
        _ error: LivemigError, _ failure: LivemigError?, in world: World
    ) {
        let isRefused =
            failure == nil
            || failure?.code != .tooLate
                && world.reportWithoutGuardian(on: agent.place)?.view.right
                    == .aborted(attempt)
            || world.mutant == .refusalIsAssumed
        tell(isRefused ? .aborted(attempt) : .failure(error), in: world)
        over(error, in: world)
    }

    private func over(_ error: LivemigError?, in world: World) {
        stage = .over
        world.close(link, by: agent.id)
        world.close(guardian, by: agent.id)
        world.send(error.map { .failed($0) } ?? .done, on: agent.controller, from: agent.id)
        agent.endIfIdle(in: world)
    }

    private func tell(_ message: LinkMessage, in world: World) {
        world.send(.link(message), on: link, from: agent.id)
    }
}
