import LinuxSystem
public import MigrationModel
import Preflight

/// What the controller does with hosts and their VMs, apart from moving them.
public struct HostControl: Sendable {
    /// The hosts.
    public let directory: HostDirectory
    /// How they are reached.
    public let dialer: AgentDialer
    /// Where conversations wait for their next use; `nil` where each has one use only.
    let kept: AgentPool?

    /// Joins hosts and the way to them.
    public init(_ directory: HostDirectory, _ dialer: AgentDialer) {
        self.init(directory, dialer, keepingIn: nil)
    }

    init(_ directory: HostDirectory, _ dialer: AgentDialer, keepingIn pool: AgentPool?) {
        self.directory = directory
        self.dialer = dialer
        kept = pool
    }

    /// Runs a conversation with a host and ends it, or keeps it where conversations are kept.
    public func talk<Value: Sendable>(
        to host: HostRecord,
        _ body: (AgentConnection) async throws(LivemigError) -> Value
    ) async throws(LivemigError) -> Value {
        let connection: AgentConnection
        if let agent = kept?.take(host.name) {
            connection = agent
        } else {
            connection = try await dialer.open(host)
        }
        do {
            let value = try await body(connection)
            await release(connection)
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Asks hosts for their facts.
    public func facts(of hosts: [HostRecord]) async -> [HostAnswer<HostFacts>] {
        await askAll(hosts) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                try await agent.facts()
            }
        }
    }

    /// Has hosts look at themselves, and looks at their clocks.
    public func examinations(of hosts: [HostRecord]) async -> [HostAnswer<[Diagnosis]>] {
        await askAll(hosts) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                let (asked, start) = (WallClock.now, MonotonicTime.now)
                let facts = try await agent.facts()
                let clock = ClockReading(facts.clock, asked: asked, took: start.elapsed)
                return try await agent.examine() + [HostRules.clock(clock)]
            }
        }
    }

    /// Asks hosts for all their VMs.
    public func machines(on hosts: [HostRecord]) async -> [HostAnswer<MachineList>] {
        await askAll(hosts) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                try await agent.machines()
            }
        }
    }

    /// Asks hosts for one VM; `nil` where a host does not have it.
    public func look(
        for name: VMName, on hosts: [HostRecord]
    ) async -> [HostAnswer<MachineSummary?>] {
        await askAll(hosts) { host async throws(LivemigError) -> MachineSummary? in
            do throws(LivemigError) {
                return try await talk(to: host) { agent async throws(LivemigError) in
                    try await agent.show(name).summary
                }
            } catch {
                if error.code == .noVM { return nil }
                throw error
            }
        }
    }

    /// Finds the host that a VM is on; where it runs, silent hosts are not waited for.
    /// - Throws: as `VMSearch.find`, and `E-NOHOST`.
    public func locate(_ vm: VMReference) async throws(LivemigError) -> HostRecord {
        if let name = vm.host { return try directory.host(name) }
        let answers = await ask(
            directory.hosts, until: { VMSearch.isFound(vm.name, in: $0) }
        ) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                try await agent.machines()
            }
        }
        return answers[try VMSearch.find(vm.name, in: answers).index].host
    }

    /// Asks a host for its settings, and changes its policy first where that is wanted.
    /// - Throws: what `change` throws, `E-BUSY` when somebody else changes it at the same time, and
    ///   as `HostPolicy.check`; nothing is changed then.
    public func settings(
        of name: HostName, changing change: (inout HostPolicy) throws(LivemigError) -> Void
    ) async throws(LivemigError) -> HostSettings {
        try await talk(to: try directory.host(name)) { agent async throws(LivemigError) in
            let settings = try await agent.settings()
            var policy = settings.policy
            try change(&policy)
            try policy.check()
            guard policy != settings.policy else { return settings }
            return try await agent.change(settings.policy, to: policy)
        }
    }

    /// Asks for a VM, and changes its policy first where that is wanted.
    /// - Throws: as `locate`, what `change` throws, `E-BUSY` when somebody else changes it at the
    ///   same time or moves the VM, and as `GuestPolicy.check`; nothing is changed then.
    public func machine(
        _ vm: VMReference, changing change: (inout GuestPolicy) throws(LivemigError) -> Void
    ) async throws(LivemigError) -> Machine {
        try await talk(to: try await locate(vm)) { agent async throws(LivemigError) in
            let machine = try await agent.show(vm.name)
            var policy = machine.summary.policy
            try change(&policy)
            try policy.check()
            guard policy != machine.summary.policy else { return machine }
            return try await agent.change(vm.name, machine.summary.policy, to: policy)
        }
    }
}
