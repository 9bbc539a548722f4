/// All VMs of a host, as it describes them.
public struct MachineList: Hashable, Sendable {
    /// The VMs that it can describe, ordered by name.
    public var machines: [MachineSummary]
    /// The VMs that it cannot, ordered by name.
    public var damaged: [DamagedMachine]

    /// States a list.
    public init(_ machines: [MachineSummary] = [], damaged: [DamagedMachine] = []) {
        self.machines = machines
        self.damaged = damaged
    }
}

/// A VM of which a host cannot say what it is or who may run it: its definition or its record
/// cannot be read.
///
/// Nobody knows whether it runs.
public struct DamagedMachine: Hashable, Sendable {
    /// The name on its host.
    public var name: VMName
    /// The identity, where definition or record still tell it.
    public var uuid: VMUUID?
    /// What is wrong with it, where, and what to do.
    public var error: LivemigError

    /// States what is wrong with a VM.
    public init(name: VMName, uuid: VMUUID?, error: LivemigError) {
        self.name = name
        self.uuid = uuid
        self.error = error
    }

    /// The error as it is told where nobody has asked for the VM by its name.
    public var complaint: LivemigError {
        var complaint = error
        complaint.what = "VM \(name) cannot be read: \(error.what)"
        return complaint
    }
}

extension [DamagedMachine] {
    /// What is wrong with a VM; `nil` when it is none of these.
    public func error(of name: VMName) -> LivemigError? {
        first { $0.name == name }?.error
    }
}
