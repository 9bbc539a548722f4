import CrashPoints
import Handoff
import LinuxSystem
import MigrationModel
import WireProtocol

/// The move itself: both agents are told, heard, and answered until one has said the last word.
extension Migration {
    /// - Returns: how it ended, what each side has said was wrong, when, and whether both have said
    ///   their last word about it, so that they can be asked for something else.
    func transfer(
        _ move: Prepared
    ) async -> (ControllerMove.Ending, ControllerMove.SideErrors, total: Duration, isQuiet: Bool) {
        let source = move.survey.source
        let destination = move.survey.destination
        var policy = move.terms.policy
        // What preparing has taken is gone; the source counts from its own beginning.
        policy.timeout = max(.milliseconds(1), policy.timeout - move.began.elapsed)
        if policy.path == .relay { policy.lanes = policy.lanes ?? 1 }
        source.agent.send(
            StartOutgoing(
                name: request.vm.name, attempt: move.attempt, secret: move.secret.exposed,
                definition: StartOutgoing.checksum(of: move.definition),
                peer: move.terms.peer, policy: policy))
        CrashPoint.reach(.controllerStarted)
        let lanes = policy.path == .relay ? policy.lanes : nil
        let (connecting, waits) = AsyncStream<Void>.makeStream()
        let relay = lanes.map { lanes in
            Task { await self.relay(lanes, of: move, when: connecting) }
        }
        let keeps = control.kept != nil
        let departure = Task {
            await self.listen(to: source.agent, as: .source, untilLastWord: keeps) {
                waits.yield()
            }
        }
        let arrival = Task {
            await self.listen(to: destination.agent, as: .destination, untilLastWord: keeps) {}
        }
        let (ending, sides) = await converse(move)
        let total = started.elapsed
        relay?.cancel()
        await relay?.value
        let isClean = if case .moved(_, incomplete: nil) = ending { true } else { false }
        if keeps, isClean, await Self.hears(arrival, within: AgentConnection.closingLimit) {
            return (ending, sides, total, true)
        }
        // Hosts may still have to say something of their hooks; nobody waits for that for long.
        for agent in [source.agent, destination.agent] { agent.hangUp() }
        let limit = Self.closingLimit(after: ending)
        async let first = Self.hears(departure, within: limit)
        async let second = Self.hears(arrival, within: limit)
        _ = await (first, second)
        return (ending, sides, total, false)
    }

    /// Whether a listener hears the last word in time; it listens no more then.
    private static func hears(
        _ listener: Task<Bool, Never>, within limit: Duration
    ) async -> Bool {
        let timer = Task {
            if limit > .zero { try await Task.sleep(for: limit) }
            listener.cancel()
        }
        defer { timer.cancel() }
        return await listener.value
    }

    /// Brings lanes once the source waits for them, until it is cancelled.
    private func relay(
        _ lanes: Int, of move: Prepared, when connecting: AsyncStream<Void>
    ) async {
        for await _ in connecting { break }
        guard !Task.isCancelled else { return }
        do throws(LivemigError) {
            let relay = try RelayLanes(
                lanes, from: move.survey.source.side.host, to: move.survey.destination.side.host,
                migration: move.attempt.migration, dialer: control.dialer)
            await withTaskCancellationHandler {
                await relay.watch { [supply] error in supply.yield(.relayFailed(error)) }
            } onCancel: {
                relay.stop()
            }
        } catch {
            supply.yield(.relayFailed(error))
        }
    }

    private func converse(
        _ move: Prepared
    ) async -> (ControllerMove.Ending, ControllerMove.SideErrors) {
        var conversation = ControllerMove(
            source: move.plan.source, destination: move.plan.destination,
            verification: request.policy.verification)
        for await input in inputs {
            for effect in conversation.handle(input) {
                switch effect {
                case .show(let sight): show.yield(MigrationEvent(sight))
                case .sendCancel: move.survey.source.agent.send(Cancel())
                case .wake(let after, let number):
                    Task { [supply] in
                        try await Task.sleep(for: after)
                        supply.yield(.deadline(number))
                    }
                case .end(let ending): return (ending, conversation.sides)
                }
            }
        }
        // Only a cancelled task ends the inputs, and nobody cancels the one that runs the move.
        let error = LivemigError(.internal, "the move was left without an observer")
        return (.failed(error), conversation.sides)
    }

    /// Passes on what an agent says, until its last word or the end of the conversation.
    ///
    /// - Parameters:
    ///   - agent: who is heard.
    ///   - side: which side it is.
    ///   - isBrief: whether the last word is the end, for the conversation goes on about something
    ///     else; what a hook has to say afterwards comes when it ends.
    ///   - onConnecting: called when it begins to wait for lanes.
    /// - Returns: whether the last word was that all is done.
    private func listen(
        to agent: AgentConnection, as side: ControllerMove.Side, untilLastWord isBrief: Bool,
        onConnecting: @Sendable () -> Void
    ) async -> Bool {
        var limit: Duration?
        var isDone: Bool?
        do throws(LivemigError) {
            while isDone == nil || !isBrief {
                let frame = try await agent.receive(within: limit)
                let message = try Self.message(frame, agent.host.name)
                if case .note(let finding)? = message { show.yield(.warning(finding)) }
                guard isDone == nil else { continue }
                guard let message else {
                    (isDone, limit) = (true, nil)
                    continue
                }
                if side == .source, case .phase(.preCopy) = message {
                    limit = HandoffLimits.sourceSilence
                }
                if case .note = message { continue }
                // Before it has an effect, so that no host is let go meanwhile.
                if case .moved = message { CrashPoint.reach(.controllerHeardMoved) }
                supply.yield(.message(side, message))
                switch message {
                case .moved: (isDone, limit) = (true, nil)
                case .failed: (isDone, limit) = (false, nil)
                case .phase(.committed): CrashPoint.reach(.controllerHeardCommit)
                case .phase(.connecting): onConnecting()
                case .phase, .round, .progress, .note: break
                }
            }
        } catch {
            if isDone == nil { supply.yield(.lost(side, error)) }
        }
        return isDone ?? false
    }
}
