import Handoff
import MigrationModel

/// One move, seen from the source's worker: rounds, switchover, commit, token, clean-up.
///
/// The order of steps, and what each failure leads to, is that of `SourceRole` and `HandOver` in
/// `Sources/Host/HostAgent`.
final class SourceWorker {
    private enum Stage {
        case beginning, connecting
        case rounds(left: Int)
        case waitingForMachine, stopping, saving, awaitingReady, releasing, givingToken
        case reclaiming(LivemigError)
        case finishing, awaitingEnd
        case aborting(LivemigError)
        case awaitingRefusal(LivemigError)
        case over
    }

    private let attempt: Attempt
    private let peer: Int
    private let keepPaused: Bool
    private unowned let agent: AgentProcess
    private var stage = Stage.beginning
    private var guardian: Int?
    private var link: Int?
    private var lastHeard = 0
    private var tokenEnd = 0
    private var isMachineReady = false
    private var isRefused = false
    private var isCommitted = false
    private var cancellation: LivemigError?
    private var readyDigest: Bits128?
    private var digest = Bits128.zero

    init(_ attempt: Attempt, to peer: Int, keepPaused: Bool, agent: AgentProcess) {
        self.attempt = attempt
        self.peer = peer
        self.keepPaused = keepPaused
        self.agent = agent
    }

    var isOver: Bool { if case .over = stage { true } else { false } }

    // MARK: Start

    func start(in world: World) {
        guard let process = world.hosts[agent.place].guardian else {
            return report(LivemigError(.notRunning, "no guardian"), in: world)
        }
        guardian = world.connect(agent.id, process)
        ask(.begin(attempt, peer: peer, keepPaused: keepPaused), in: world)
    }

    private func openLink(in world: World) {
        stage = .connecting
        if let cancellation { return settle(cancellation, in: world) }
        link = world.openLink(for: attempt, from: agent, to: peer)
        guard link != nil else {
            return settle(LivemigError(.connect, "no link"), in: world)
        }
        tell(.hello(attempt), in: world)
        lastHeard = world.now
        world.set(.silence, of: agent.id, after: HandoffLimits.probeInterval.ticks)
        stage = .rounds(left: world.random.number(in: 1...3))
        world.set(.step, of: agent.id, after: world.random.number(in: 50...800))
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
        switch message {
        case .link(let message): heard(message, in: world)
        case .end: linkEnded(LivemigError(.disconnected, "the destination has gone"), in: world)
        default: break
        }
        return true
    }

    func fired(_ timer: Timer, in world: World) {
        switch (timer, stage) {
        case (_, .over): break
        case (.step, .rounds(let left)): endRound(left, in: world)
        case (.step, .givingToken): sendToken(in: world)
        case (.patience, .waitingForMachine):
            settle(LivemigError(.stall, "the hypervisor is not ready"), in: world)
        case (.patience, .awaitingReady):
            settle(LivemigError(.blackout, "no READY in time"), in: world)
        case (.patience, .awaitingRefusal(let error)): report(error, in: world)
        case (.patience, .awaitingEnd): succeed(isClean: false, in: world)
        case (.silence, _): probe(in: world)
        default: break
        }
    }

    /// Gives up before the commit; too late, it has no effect.
    func cancel(_ reason: LivemigError, in world: World) {
        guard !isCommitted, !isOver, cancellation == nil else { return }
        cancellation = reason
        switch stage {
        case .rounds, .waitingForMachine: settle(reason, in: world)
        default: break
        }
    }

    private func probe(in world: World) {
        guard link != nil else { return }
        if world.now - lastHeard > HandoffLimits.linkSilence.ticks {
            return linkEnded(LivemigError(.stall, "the destination is silent"), in: world)
        }
        tell(.probe, in: world)
        world.set(.silence, of: agent.id, after: HandoffLimits.probeInterval.ticks)
    }

    private func heard(_ message: LinkMessage, in world: World) {
        switch message {
        case .machineReady:
            isMachineReady = true
            if case .waitingForMachine = stage { switchOver(in: world) }
        case .ready(attempt, let digest):
            readyDigest = digest
            if case .awaitingReady = stage { commit(digest, in: world) }
        case .acknowledged(attempt):
            if case .givingToken = stage {
                stage = .finishing
                ask(.finish(attempt), in: world)
            }
        case .aborted(attempt):
            isRefused = true
            refused(LivemigError(.cancelled, "the destination gave the attempt up"), in: world)
        case .failure(let error): linkEnded(error, in: world)
        default: break
        }
    }

    private func linkEnded(_ error: LivemigError, in world: World) {
        world.close(link, by: agent.id)
        link = nil
        refused(error, in: world)
    }

    private func refused(_ error: LivemigError, in world: World) {
        switch stage {
        case .connecting, .rounds, .waitingForMachine, .awaitingReady: settle(error, in: world)
        case .givingToken: reclaim(after: error, in: world)
        case .awaitingRefusal(let first): report(first, in: world)
        default: break
        }
    }

    // MARK: Rounds and switchover

    private func endRound(_ left: Int, in world: World) {
        world.execute(agent.place)
        sendMemory(in: world)
        if left > 1 {
            stage = .rounds(left: left - 1)
            return world.set(.step, of: agent.id, after: world.random.number(in: 50...500))
        }
        guard !isMachineReady else { return switchOver(in: world) }
        stage = .waitingForMachine
        world.set(.patience, of: agent.id, after: HandoffLimits.preparation.ticks)
    }

    private func sendMemory(in world: World) {
        guard let copy = world.hosts[agent.place].hypervisor else { return }
        digest = imageDigest(ofMemory: copy.memory)
        let isDamaged = world.faults.has(.bitFlip) && world.random.chance(100)
        tell(.pages(memory: copy.memory, isDamaged: isDamaged), in: world)
    }

    private func switchOver(in world: World) {
        if let cancellation { return settle(cancellation, in: world) }
        stage = .stopping
        ask(.stop, in: world)
    }

    private func sendRest(_ devices: Int, in world: World) {
        tell(.devices(devices), in: world)
        sendMemory(in: world)
        tell(.final(attempt, digest: digest, resume: !keepPaused), in: world)
        if link == nil || isRefused {
            return settle(LivemigError(.disconnected, "the destination has gone"), in: world)
        }
        stage = .awaitingReady
        world.set(.patience, of: agent.id, after: HandoffLimits.blackout.ticks)
        if let readyDigest { commit(readyDigest, in: world) }
    }

    // MARK: Commit and token

    private func commit(_ ready: Bits128, in world: World) {
        if let cancellation { return settle(cancellation, in: world) }
        isCommitted = true
        stage = .releasing
        ask(.release(attempt, ready: ready, own: digest), in: world)
    }

    private func sendToken(in world: World) {
        guard link != nil, !isRefused else {
            return reclaim(after: LivemigError(.disconnected, "no link"), in: world)
        }
        guard world.now < tokenEnd else {
            return reclaim(after: LivemigError(.inTransfer, "no acknowledgement"), in: world)
        }
        tell(.token(attempt, digest: digest), in: world)
        world.echo(.token(attempt, digest: digest), on: peer)
        world.set(.step, of: agent.id, after: HandoffLimits.tokenInterval.ticks)
    }

    /// After the commit only the destination's durable refusal brings the guest back.
    private func reclaim(after error: LivemigError, in world: World) {
        if world.resumesAfterGo(attempt, at: agent.place) {
            isRefused = true
        }
        guard isRefused else { return settle(error, in: world) }
        stage = .reclaiming(error)
        ask(.reclaim(attempt), in: world)
    }

    // MARK: Guardian

    private func ask(_ request: GuardianRequest, in world: World) {
        guard let guardian else {
            return guardianSaid(.failed(LivemigError(.disconnected, "no guardian")), in: world)
        }
        world.send(.request(request), on: guardian, from: agent.id)
    }

    private func guardianSaid(_ message: Message, in world: World) {
        var failure: LivemigError?
        if case .failed(let error) = message { failure = error }
        if case .end = message { failure = LivemigError(.disconnected, "the guardian has ended") }
        switch (stage, failure) {
        case (.beginning, nil): openLink(in: world)
        case (.beginning, let error?): report(error, in: world)
        case (.stopping, nil):
            sendMemory(in: world)
            stage = .saving
            ask(.save, in: world)
        case (.saving, nil):
            if case .saved(let devices) = message { sendRest(devices, in: world) }
        case (.stopping, let error?), (.saving, let error?): settle(error, in: world)
        case (.releasing, nil):
            world.send(.committed, on: agent.controller, from: agent.id)
            stage = .givingToken
            tokenEnd = world.now + HandoffLimits.acknowledgement.ticks
            sendToken(in: world)
        case (.releasing, let error?): reclaim(after: error, in: world)
        case (.reclaiming(let error), _): settle(error, in: world)
        case (.finishing, nil):
            stage = .awaitingEnd
            world.set(.patience, of: agent.id, after: HandoffLimits.guardianEnd.ticks)
        case (.finishing, _?): succeed(isClean: false, in: world)
        case (.awaitingEnd, _): if failure != nil { succeed(isClean: true, in: world) }
        case (.aborting(let error), let failed): aborted(error, failed, in: world)
        default: break
        }
    }

    // MARK: End

    /// After a failure: makes sure that the guest runs here if it is this host's, and lets the
    /// destination give the attempt up.
    private func settle(_ error: LivemigError, in world: World) {
        stage = .aborting(error)
        ask(.abort, in: world)
    }

    private func aborted(_ error: LivemigError, _ failure: LivemigError?, in world: World) {
        switch failure?.code {
        case .inTransfer, .tooLate:
            return report(LivemigError(.inTransfer, "not acknowledged"), in: world)
        case .some: return report(error, in: world)
        case nil: break
        }
        guard link != nil, !isRefused else { return report(error, in: world) }
        tell(.abort(attempt), in: world)
        world.echo(.discard(attempt), on: peer)
        stage = .awaitingRefusal(error)
        world.set(.patience, of: agent.id, after: HandoffLimits.refusal.ticks)
    }

    private func succeed(isClean: Bool, in world: World) {
        close(with: .moved(isClean: isClean), in: world)
    }

    private func report(_ error: LivemigError, in world: World) {
        close(with: .failed(error), in: world)
    }

    private func close(with answer: Message, in world: World) {
        stage = .over
        world.close(link, by: agent.id)
        world.close(guardian, by: agent.id)
        world.send(answer, on: agent.controller, from: agent.id)
        agent.endIfIdle(in: world)
    }

    private func tell(_ message: LinkMessage, in world: World) {
        world.send(.link(message), on: link, from: agent.id)
    }
}
