public import MigrationModel

/// One host of a move, as far as the rules compare it with the other.
public struct PreflightSide: Sendable {
    /// The host.
    public let name: HostName
    /// What it says about itself.
    public let facts: HostFacts
    /// Its VMs.
    public let machines: [MachineSummary]
    /// VMs that it cannot read.
    public let damaged: [DamagedMachine]
    /// How far its wall clock is ahead of the observer's, as exactly as a request tells;
    /// `nil` where nobody has looked.
    public let clock: ClockReading?

    /// States a side.
    public init(
        name: HostName, facts: HostFacts, _ list: MachineList, clock: ClockReading? = nil
    ) {
        self.name = name
        self.facts = facts
        machines = list.machines
        damaged = list.damaged
        self.clock = clock
    }
}
