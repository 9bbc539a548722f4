public import MigrationModel
import Preflight

/// What a move would do, once every check has passed.
public struct MovePlan: Hashable, Sendable {
    /// The VM as its host describes it.
    public let machine: MachineSummary
    /// Where it is.
    public let source: HostName
    /// Where it goes.
    public let destination: HostName
    /// The epoch at which the destination will own it.
    public let epoch: Epoch
    /// Memory that the destination can still give to guests.
    public let memoryAvailable: ByteCount
    /// How the move behaves.
    public let policy: MigrationPolicy
    /// Bridges of the guest, and what takes their place on the destination.
    public internal(set) var networks = NetworkMap()
    /// What should be known before.
    public internal(set) var warnings: [Finding]
}

/// One side of a move before it starts.
public struct MoveSide: Sendable {
    /// The host.
    public let host: HostRecord
    /// What it says about itself.
    public let facts: HostFacts
    /// Its VMs.
    public let machines: [MachineSummary]
    /// VMs that it cannot read.
    public let damaged: [DamagedMachine]
    /// How far its wall clock is ahead of this machine's; `nil` where nobody has looked.
    public let clock: ClockReading?

    /// States a side.
    public init(
        host: HostRecord, facts: HostFacts, _ list: MachineList, clock: ClockReading? = nil
    ) {
        self.host = host
        self.facts = facts
        machines = list.machines
        damaged = list.damaged
        self.clock = clock
    }

    /// What the rules compare.
    var preflight: PreflightSide {
        PreflightSide(
            name: host.name, facts: facts, list, clock: clock)
    }

    /// All VMs, whether they can be read or not.
    var list: MachineList { MachineList(machines, damaged: damaged) }

    /// A VM of this side.
    /// - Throws: the VM's own error when it cannot be read, `E-NOVM` when there is none of that
    ///   name.
    func machine(_ name: VMName) throws(LivemigError) -> MachineSummary {
        if let error = damaged.error(of: name) { throw error }
        guard let machine = machines.first(where: { $0.name == name.text }) else {
            throw LivemigError(.noVM, "no VM \(name)", at: host.name.text)
        }
        return machine
    }
}

extension MovePlan {
    /// Checks everything that can be checked before a host is asked to change anything.
    ///
    /// - Parameters:
    ///   - name: the VM.
    ///   - source: where it is.
    ///   - destination: where it goes.
    ///   - policy: how the move shall behave.
    /// - Throws: the first error of `Preflight`, which names hosts and says what to do; `E-NOVM`.
    public init(
        moving name: VMName, from source: MoveSide, to destination: MoveSide,
        policy: MigrationPolicy
    ) throws(LivemigError) {
        let machine = try source.machine(name)
        let findings = Preflight(
            moving: machine, from: source.preflight, to: destination.preflight,
            keepsPaused: policy.keepPaused
        ).findings
        if let error = findings.lazy.compactMap(\.error).first { throw error }
        guard let epoch = machine.epoch.next else {
            throw LivemigError(.internal, "the epochs are used up", at: source.host.name.text)
        }
        self.machine = machine
        self.source = source.host.name
        self.destination = destination.host.name
        self.epoch = epoch
        memoryAvailable = destination.facts.memoryAvailable
        self.policy = policy
        warnings = findings.filter { $0.error == nil }
    }
}
