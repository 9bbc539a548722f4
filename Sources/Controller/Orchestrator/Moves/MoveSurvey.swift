import LinuxSystem
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

    /// What was found of a move.
    enum Found: Sendable {
        /// Both hosts.
        case both(MoveSurvey)
        /// The host that the VM is on, and why the destination cannot be asked.
        case sourceAlone(Reached, LivemigError)
    }

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
        switch try await find(request, control) {
        case .both(let survey): return survey
        case .sourceAlone(let source, let error):
            await control.release(source.agent)
            throw error
        }
    }

    /// Finds the VM and asks both hosts; the destination need not answer.
    ///
    /// - Parameters:
    ///   - request: the move.
    ///   - control: the hosts.
    /// - Throws: as `make`, but where the VM is found and the destination does not answer.
    static func find(
        _ request: MoveRequest, _ control: HostControl
    ) async throws(LivemigError) -> Found {
        let hosts = try hosts(request, control.directory)
        let answers = await ask(
            hosts, until: { isFound(request, in: $0) },
            discarding: { reached in await control.release(reached.agent) }
        ) { host async throws(LivemigError) in
            try await reach(host, control)
        }
        do {
            let found = try choose(request, answers)
            await release(answers, except: found.reached, to: control)
            return found
        } catch {
            await release(answers, except: [], to: control)
            throw error
        }
    }

    /// Whether the destination and the host that runs the VM have answered.
    private static func isFound(
        _ request: MoveRequest, in answers: [HostAnswer<Reached>]
    ) -> Bool {
        let lists = answers.map { HostAnswer($0.host, $0.result.map(\.side.list)) }
        return VMSearch.isFound(request.vm.name, in: lists)
            && lists.contains { $0.host.name == request.destination && $0.value != nil }
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

    static func reach(
        _ host: HostRecord, _ control: HostControl
    ) async throws(LivemigError) -> Reached {
        let (agent, side) = try await control.open(host) { agent async throws(LivemigError) in
            let (asked, start) = (WallClock.now, MonotonicTime.now)
            let facts = try await agent.facts()
            let clock = ClockReading(facts.clock, asked: asked, took: start.elapsed)
            let machines = try await agent.machines()
            return MoveSide(host: host, facts: facts, machines, clock: clock)
        }
        return Reached(agent: agent, side: side)
    }

    private static func choose(
        _ request: MoveRequest, _ answers: [HostAnswer<Reached>]
    ) throws(LivemigError) -> Found {
        let isDestination = { (answer: HostAnswer<Reached>) in
            answer.host.name == request.destination
        }
        guard let goal = answers.first(where: isDestination) else {
            throw HostDirectory.noHost(request.destination, known: answers.map(\.host.name))
        }
        let others = answers.filter { !isDestination($0) }
        let found = find(request.vm.name, in: others)
        let destination: Reached
        do {
            destination = try goal.result.get()
        } catch {
            guard case .success(let (source, machine)) = found else { throw error }
            return .sourceAlone(source, located(error, machine, on: source))
        }
        let elsewhere = elsewhere(request, destination.side)
        switch found {
        case .failure(let error): throw elsewhere ?? error
        case .success(let (source, machine)):
            // A copy without the right to run is not the VM.
            if !machine.isOwned, let elsewhere { throw elsewhere }
            return .both(MoveSurvey(source: source, destination: destination))
        }
    }

    private static func find(
        _ name: VMName, in answers: [HostAnswer<Reached>]
    ) -> Result<(source: Reached, machine: MachineSummary), LivemigError> {
        Result { () throws(LivemigError) in
            let lists = answers.map { answer in
                HostAnswer(answer.host, answer.result.map(\.side.list))
            }
            let (index, machine) = try VMSearch.find(name, in: lists)
            return (try answers[index].result.get(), machine)
        }
    }

    /// An error about the destination, saying where the guest is and stays.
    private static func located(
        _ error: LivemigError, _ machine: MachineSummary, on source: Reached
    ) -> LivemigError {
        error.with(
            guest: GuestLocation(
                vm: machine.name, state: machine.state, host: source.side.host.name.text,
                epoch: machine.epoch))
    }

    /// The error about a VM that only the destination has, or may have.
    private static func elsewhere(
        _ request: MoveRequest, _ destination: MoveSide
    ) -> LivemigError? {
        let name = request.vm.name
        if let error = destination.damaged.error(of: name) { return error }
        guard
            let machine = destination.machines.first(where: { $0.name == name.text }),
            machine.isOwned
        else { return nil }
        return LivemigError(
            .alreadyThere, "VM \(name) is on \(destination.host.name) already",
            guest: GuestLocation(
                vm: name.text, state: machine.state, host: destination.host.name.text,
                epoch: machine.epoch))
    }

    private static func release(
        _ answers: [HostAnswer<Reached>], except kept: [Reached], to control: HostControl
    ) async {
        await withTaskGroup(of: Void.self) { group in
            for case let reached? in answers.map(\.value)
            where !kept.contains(where: { $0.agent === reached.agent }) {
                group.addTask { await control.release(reached.agent) }
            }
        }
    }
}

extension MoveSurvey.Found {
    /// The hosts that answered.
    fileprivate var reached: [MoveSurvey.Reached] {
        switch self {
        case .both(let survey): [survey.source, survey.destination]
        case .sourceAlone(let source, _): [source]
        }
    }
}
