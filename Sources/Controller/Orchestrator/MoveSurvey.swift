import MigrationModel

/// The hosts of a move before it starts: found, asked, and connected.
struct MoveSurvey: Sendable {
    /// A host that answered, with the conversation still open.
    struct Reached: Sendable {
        let agent: AgentConnection
        let side: MoveSide
    }

    let source: Reached
    let destination: Reached

    /// Finds the VM and asks both hosts.
    ///
    /// - Parameters:
    ///   - request: the move.
    ///   - control: the hosts.
    /// - Throws: as `VMSearch.find`; `E-NOHOST`, `E-SAMEHOST`, `E-ALREADY-THERE`; and the
    ///   destination's error when it does not answer. No conversation is left open then.
    static func make(
        _ request: MoveRequest, _ control: HostControl
    ) async throws(LivemigError) -> MoveSurvey {
        let hosts = try hosts(request, control.directory)
        let answers = await askAll(hosts) { host async throws(LivemigError) in
            try await reach(host, control.dialer)
        }
        do {
            let survey = try choose(request, answers)
            await close(answers, except: [survey.source, survey.destination])
            return survey
        } catch {
            await close(answers, except: [])
            throw error
        }
    }

    /// Whom to ask: the destination, and the source or everybody.
    private static func hosts(
        _ request: MoveRequest, _ directory: HostDirectory
    ) throws(LivemigError) -> [HostRecord] {
        let destination = try directory.host(request.destination)
        if let named = request.vm.host, let source = request.source, named != source {
            throw LivemigError(
                .usage, "\(request.vm) and --from \(source) name different hosts",
                fix: "leave one of them out")
        }
        guard let source = request.vm.host ?? request.source else { return directory.hosts }
        guard source != destination.name else {
            throw LivemigError(
                .sameHost, "source and destination are the same host", at: source.text,
                fix: "name another host with --to")
        }
        return [try directory.host(source), destination]
    }

    private static func reach(
        _ host: HostRecord, _ dialer: AgentDialer
    ) async throws(LivemigError) -> Reached {
        let agent = try await dialer.open(host)
        do {
            let facts = try await agent.facts()
            let machines = try await agent.machines()
            return Reached(
                agent: agent, side: MoveSide(host: host, facts: facts, machines: machines))
        } catch {
            await agent.close()
            throw error
        }
    }

    private static func choose(
        _ request: MoveRequest, _ answers: [HostAnswer<Reached>]
    ) throws(LivemigError) -> MoveSurvey {
        let isDestination = { (answer: HostAnswer<Reached>) in
            answer.host.name == request.destination
        }
        guard let goal = answers.first(where: isDestination) else {
            throw HostDirectory.noHost(request.destination, known: answers.map(\.host.name))
        }
        let destination = try goal.result.get()
        let others = answers.filter { !isDestination($0) }
        let source: Reached
        do {
            let lists = others.map { answer in
                HostAnswer(answer.host, answer.result.map(\.side.machines))
            }
            let index = try VMSearch.find(request.vm.name, in: lists).index
            source = try others[index].result.get()
        } catch {
            throw elsewhere(request, destination.side) ?? error
        }
        return MoveSurvey(source: source, destination: destination)
    }

    /// The error about a VM that only the destination has.
    private static func elsewhere(
        _ request: MoveRequest, _ destination: MoveSide
    ) -> LivemigError? {
        let name = request.vm.name
        guard let machine = destination.machines.first(where: { $0.name == name.text }) else {
            return nil
        }
        return LivemigError(
            .alreadyThere, "VM \(name) is on \(destination.host.name) already",
            guest: GuestLocation(
                vm: name.text, state: machine.state, host: destination.host.name.text,
                epoch: machine.epoch))
    }

    private static func close(
        _ answers: [HostAnswer<Reached>], except kept: [Reached]
    ) async {
        await withTaskGroup(of: Void.self) { group in
            for case let reached? in answers.map(\.value)
            where !kept.contains(where: { $0.agent === reached.agent }) {
                group.addTask { await reached.agent.close() }
            }
        }
    }
}
