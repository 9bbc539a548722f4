public import MigrationModel
import WireProtocol

extension HostControl {
    /// A VM that was defined or started, and what should be known of it.
    public typealias Noted = (machine: Machine, notes: [String])

    /// Gives a VM to a host, once all hosts have said that they do not have it.
    ///
    /// - Parameters:
    ///   - document: the definition.
    ///   - subject: what it claims.
    ///   - host: the host.
    ///   - unasked: hosts that may be silent, since the operator knows that they do not have it.
    /// - Throws: as `Uniqueness.define`, and as the host's own refusal.
    public func define(
        _ document: String, _ subject: Claims.Subject, on host: HostRecord, unasked: Set<HostName>
    ) async throws(LivemigError) -> Noted {
        try await keepingConversations { control async throws(LivemigError) in
            let answers = await control.claims(on: subject, of: directory.hosts)
            if let error = answers.first(where: { $0.host.name == host.name })?.error {
                throw error
            }
            let question = Uniqueness(subject, on: host.name, answers, unasked: unasked)
            let notes = try question.define() + control.needless(unasked, answers)
            let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
                try await agent.define(document, known: question.known)
            }
            return (machine, notes)
        }
    }

    /// Starts a VM, or restores it, once the other hosts have said that they do not have it.
    ///
    /// - Parameters:
    ///   - vm: the VM.
    ///   - unasked: hosts that may be silent, since the operator knows that they do not have it.
    ///   - discardsSaved: whether a saved guest's memory is given up first.
    ///   - progress: told how far a restoring is.
    /// - Throws: as `locate` and `Uniqueness.start`, and why the host does not start it.
    public func start(
        _ vm: VMReference, unasked: Set<HostName> = [], discardsSaved: Bool = false,
        _ progress: AgentConnection.StoringProgress? = nil
    ) async throws(LivemigError) -> Noted {
        try await keepingConversations { control async throws(LivemigError) in
            let lists = await control.machines(on: directory.hosts)
            let meant = lists.filter { vm.host == nil || $0.host.name == vm.host }
            if let name = vm.host { _ = try directory.host(name) }
            let found = try VMSearch.find(vm.name, in: meant)
            let (host, machine) = (meant[found.index].host, found.machine)
            var notes: [String] = []
            // One that runs already is not started: its host says so, or gives it a new guardian.
            if machine.state.isOff, machine.right.mayRun {
                notes = try await control.requireUnique(machine, on: host, lists, unasked)
            }
            let started = try await control.talk(to: host) { agent async throws(LivemigError) in
                if discardsSaved { _ = try await agent.discardSaved(vm.name) }
                return try await agent.start(vm.name, machine.uuid, progress)
            }
            return (started, notes)
        }
    }

    private func requireUnique(
        _ machine: MachineSummary, on host: HostRecord, _ lists: [HostAnswer<MachineList>],
        _ unasked: Set<HostName>
    ) async throws(LivemigError) -> [String] {
        var subject = Claims.Subject(
            uuid: machine.uuid, name: try VMName(machine.name), macs: [], images: [])
        // The addresses are in the definition, which its host has read already.
        let own = try await talk(to: host) { agent async throws(LivemigError) in
            try await agent.claims(on: subject).machines.first { $0.uuid == machine.uuid }
        }
        subject.macs = own?.macs ?? []
        let silent = lists.filter { $0.error != nil && $0.host.name != host.name }
        let answering = lists.filter { $0.error == nil && $0.host.name != host.name }
        let answers =
            await claims(on: subject, of: answering.map(\.host))
            + silent.map { HostAnswer($0.host, $0.result.map { _ in Claims() }) }
        let question = Uniqueness(subject, on: host.name, answers, unasked: unasked)
        return try question.start(at: machine.epoch) + needless(unasked, answers)
    }

    private func claims(
        on subject: Claims.Subject, of hosts: [HostRecord]
    ) async -> [HostAnswer<Claims>] {
        await askAll(hosts) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                try await agent.claims(on: subject)
            }
        }
    }

    private func needless(
        _ unasked: Set<HostName>, _ answers: [HostAnswer<Claims>]
    ) -> [String] {
        answers.filter { $0.value != nil && unasked.contains($0.host.name) }
            .map { "\($0.host.name) answers, and was asked" }
    }
}
