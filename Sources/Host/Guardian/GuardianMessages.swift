public import MigrationModel
public import WireProtocol

/// Asks a guardian what it guards; answered by `GuardianState`, with guest RAM if wanted.
public struct GuardianDescribe: WireMessage, Hashable {
    public static let type = FrameType.guardianDescribe
    /// Whether the answer shall carry the descriptor of guest RAM.
    public let wantsMemory: Bool

    /// Asks.
    public init(wantsMemory: Bool) { self.wantsMemory = wantsMemory }

    public func encode(into writer: inout WireWriter) { writer.flag(wantsMemory) }

    public init(from reader: inout WireReader) throws(WireError) {
        wantsMemory = try reader.flag()
    }
}

/// What a guardian guards.
public struct GuardianState: WireMessage, Hashable {
    public static let type = FrameType.guardianState
    /// The state of the guest.
    public let guest: GuestLocation.State
    /// Whether the destination's copy waits for its device state.
    public let isIncoming: Bool
    /// The record.
    public let record: OwnershipRecord
    /// Guest RAM.
    public let memory: ByteCount
    /// How much of it the host has given to the guest.
    public let populated: ByteCount
    /// Why the guest does not do what it should; `nil` when all is well.
    public let complaint: LivemigError?

    /// States it.
    public init(
        guest: GuestLocation.State, isIncoming: Bool, record: OwnershipRecord, memory: ByteCount,
        populated: ByteCount, complaint: LivemigError?
    ) {
        self.guest = guest
        self.isIncoming = isIncoming
        self.record = record
        self.memory = memory
        self.populated = populated
        self.complaint = complaint
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(guest.rawValue)
        writer.flag(isIncoming)
        writer.record(record)
        writer.integer(memory.bytes)
        writer.integer(populated.bytes)
        writer.optional(complaint) { $0.error($1, limit: WireLimits.reason) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        guard let guest = GuestLocation.State(rawValue: try reader.text()) else {
            throw .field("guest")
        }
        self.guest = guest
        isIncoming = try reader.flag()
        record = try reader.record()
        memory = ByteCount(try reader.integer())
        populated = ByteCount(try reader.integer())
        complaint = try reader.optional { (reader) throws(WireError) in
            try reader.error(limit: WireLimits.reason)
        }
    }
}

/// Begins to give the VM away; the connection that asks becomes the worker, whose end is an abort.
public struct GuardianBegin: WireMessage, Hashable {
    public static let type = FrameType.guardianBegin
    /// The attempt.
    public let attempt: Attempt
    /// The destination, for the record's reader.
    public let peer: String
    /// Whether a paused guest may be moved, to stay paused.
    public let keepPaused: Bool

    /// Begins.
    public init(attempt: Attempt, peer: String, keepPaused: Bool) {
        self.attempt = attempt
        self.peer = peer
        self.keepPaused = keepPaused
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.text(peer)
        writer.flag(keepPaused)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        peer = try reader.text()
        keepPaused = try reader.flag()
    }
}

/// Stops the guest, to run again by itself when the hand-over is not done within the limit.
public struct GuardianStop: WireMessage, Hashable {
    public static let type = FrameType.guardianStop
    /// The longest stop before the guest is given back.
    public let limit: Duration

    /// Stops.
    public init(limit: Duration) { self.limit = limit }

    public func encode(into writer: inout WireWriter) { writer.duration(limit) }

    public init(from reader: inout WireReader) throws(WireError) {
        limit = try reader.duration()
        guard limit > .zero else { throw .field("limit") }
    }
}

/// Writes the device state to the descriptor that comes along; answered when all is written.
public struct GuardianSave: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianSave

    /// The only value.
    public init() {}
}

/// Gives the right to run away: the commit point.
///
/// Answered when the record is durable.
public struct GuardianRelease: WireMessage, Hashable {
    public static let type = FrameType.guardianRelease
    /// The attempt.
    public let attempt: Attempt
    /// The digest that the destination stated.
    public let ready: Bits128
    /// The digest of what was sent.
    public let own: Bits128

    /// Releases.
    public init(attempt: Attempt, ready: Bits128, own: Bits128) {
        self.attempt = attempt
        self.ready = ready
        self.own = own
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.bits(ready)
        writer.bits(own)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        ready = try reader.bits()
        own = try reader.bits()
    }
}

/// The destination owns the VM: the source's copy is destroyed.
public struct GuardianFinish: AttemptMessage, Hashable {
    public static let type = FrameType.guardianFinish
    /// The attempt.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// The destination has given up durably: the source takes the right back and the guest runs.
public struct GuardianReclaim: AttemptMessage, Hashable {
    public static let type = FrameType.guardianReclaim
    /// The attempt.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// Gives up before the commit: the guest runs on the source.
public struct GuardianAbort: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianAbort

    /// The only value.
    public init() {}
}
