public import MigrationModel

/// Saves a VM to a file of its host; answered by `Storing` as it goes, then by `MachineMessage`.
public struct SaveMachine: MachineRequest, Hashable {
    public static let type = FrameType.saveMachine
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}

/// Removes the file of a VM that is saved, which is stopped then; answered by `MachineMessage`.
public struct DiscardSaved: MachineRequest, Hashable {
    public static let type = FrameType.discardSaved
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}

/// How far the saving of a VM is, or its restoring when it is started; up to 5 a second.
///
/// | field | type |
/// | --- | --- |
/// | done, total | u64 each: bytes |
public struct Storing: WireMessage, Hashable {
    public static let type = FrameType.storing
    /// The bytes that are done.
    public let done: UInt64
    /// The bytes in all.
    public let total: UInt64

    /// States both.
    public init(done: UInt64, total: UInt64) {
        self.done = done
        self.total = total
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(done)
        writer.integer(total)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        done = try reader.integer()
        total = try reader.integer()
    }
}
