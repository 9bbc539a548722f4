public import MigrationModel
public import WireProtocol

/// Stops the guest to be saved; the connection that asks becomes the worker, whose end lets it run
/// again.
///
/// Answered by `GuardianSuspended`. There is no deadline: a disk takes its time.
public struct GuardianSuspend: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianSuspend

    /// The only value.
    public init() {}
}

/// The guest stands still, to be saved.
public struct GuardianSuspended: WireMessage, Hashable {
    public static let type = FrameType.guardianSuspended
    /// Whether it ran until now.
    public let wasRunning: Bool
    /// The epoch of the record.
    public let epoch: Epoch

    /// States it.
    public init(wasRunning: Bool, epoch: Epoch) {
        self.wasRunning = wasRunning
        self.epoch = epoch
    }

    public func encode(into writer: inout WireWriter) {
        writer.flag(wasRunning)
        writer.integer(epoch.number)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        wasRunning = try reader.flag()
        epoch = Epoch(try reader.integer())
    }
}

/// The file of the guest is whole: it is the guest from now on, and the hypervisor ends.
public struct GuardianKeep: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianKeep

    /// The only value.
    public init() {}
}

/// Memory and device state are back: the file is the guest no more, and the hypervisor runs it.
public struct GuardianRestore: WireMessage, Hashable {
    public static let type = FrameType.guardianRestore
    /// Whether the guest is to run, rather than stand still as when it was saved.
    public let resume: Bool

    /// Restores.
    public init(resume: Bool) { self.resume = resume }

    public func encode(into writer: inout WireWriter) { writer.flag(resume) }

    public init(from reader: inout WireReader) throws(WireError) { resume = try reader.flag() }
}
