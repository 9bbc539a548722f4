public import MigrationModel

/// Asks a host for its facts; answered by `HostFactsMessage`.
public struct DescribeHost: EmptyWireMessage, Hashable {
    public static let type = FrameType.describeHost

    /// The only value.
    public init() {}
}

/// Asks for all VMs of a host; answered by `MachineListMessage`.
public struct ListMachines: EmptyWireMessage, Hashable {
    public static let type = FrameType.listMachines

    /// The only value.
    public init() {}
}

/// Asks for the agent's own public key, made when there is none; answered by `PublicKeyMessage`.
public struct CreateKey: EmptyWireMessage, Hashable {
    public static let type = FrameType.createKey

    /// The only value.
    public init() {}
}

/// Hands over a VM definition to keep; answered by `MachineMessage`.
///
/// | field | type |
/// | --- | --- |
/// | definition | text, 1 MiB: the XML document |
/// | asked | flag: the other hosts were asked, and none has the VM |
/// | known | optional u64: the highest epoch at which they know it |
public struct DefineMachine: WireMessage, Hashable {
    public static let type = FrameType.defineMachine
    /// The XML document.
    public let definition: String
    /// Whether the other hosts were asked, and none has the VM; else one that this host has given
    /// away is refused.
    public let isAsked: Bool
    /// The highest epoch at which they know the VM; `nil` where none ever had it.
    public let known: Epoch?

    /// Wraps a document.
    public init(definition: String, isAsked: Bool = false, known: Epoch? = nil) {
        self.definition = definition
        self.isAsked = isAsked
        self.known = known
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(definition, limit: WireLimits.definition)
        writer.flag(isAsked)
        writer.optional(known) { $0.integer($1.number) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        definition = try reader.text(limit: WireLimits.definition)
        isAsked = try reader.flag()
        known = try reader.optional { (reader) throws(WireError) in try reader.epoch() }
    }
}

/// A request whose only field is the name of a VM, text of at most 64 bytes.
public protocol MachineRequest: WireMessage {
    /// The VM.
    var name: VMName { get }

    /// Names a VM.
    init(name: VMName)
}

extension MachineRequest {
    /// Appends the name.
    public func encode(into writer: inout WireWriter) { writer.text(name.text) }

    /// Takes the name.
    public init(from reader: inout WireReader) throws(WireError) {
        self.init(name: try reader.vmName())
    }
}

/// Starts a VM; answered by `MachineMessage`.
///
/// | field | type |
/// | --- | --- |
/// | name | VM name |
/// | uuid | optional 16 bytes: the VM that the other hosts were asked for |
public struct StartMachine: WireMessage, Hashable {
    public static let type = FrameType.startMachine
    /// The VM.
    public let name: VMName
    /// The VM that is meant; `nil` starts whatever has the name.
    public let uuid: VMUUID?

    /// Names a VM.
    public init(name: VMName, uuid: VMUUID? = nil) {
        self.name = name
        self.uuid = uuid
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.optional(uuid) { $0.bits($1.bits) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        uuid = try reader.optional { (reader) throws(WireError) in VMUUID(try reader.bits()) }
    }
}

/// Powers a VM off; answered by `MachineMessage`.
public struct StopMachine: MachineRequest, Hashable {
    public static let type = FrameType.stopMachine
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}

/// Forgets a VM that is stopped; answered by `DoneMessage`.
public struct RemoveMachine: MachineRequest, Hashable {
    public static let type = FrameType.removeMachine
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}

/// Asks for one VM; answered by `MachineMessage`.
public struct ShowMachine: MachineRequest, Hashable {
    public static let type = FrameType.showMachine
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}
