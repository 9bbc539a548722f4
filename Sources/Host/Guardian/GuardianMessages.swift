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

/// Loads the device state from the descriptor that comes along.
public struct GuardianLoad: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianLoad

    /// The only value.
    public init() {}
}

/// The destination's copy is whole: makes that durable.
public struct GuardianReady: DigestMessage, Hashable {
    public static let type = FrameType.guardianReady
    /// The attempt.
    public let attempt: Attempt
    /// The digest of what was placed.
    public let digest: Bits128

    /// States it.
    public init(attempt: Attempt, digest: Bits128) {
        self.attempt = attempt
        self.digest = digest
    }
}

/// The token has come: the destination owns the VM, durably, and the guest runs.
public struct GuardianOwn: WireMessage, Hashable {
    public static let type = FrameType.guardianOwn
    /// The attempt.
    public let attempt: Attempt
    /// The digest in the token.
    public let digest: Bits128
    /// Whether the guest shall run.
    public let resume: Bool

    /// Takes the token.
    public init(attempt: Attempt, digest: Bits128, resume: Bool) {
        self.attempt = attempt
        self.digest = digest
        self.resume = resume
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.bits(digest)
        writer.flag(resume)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        digest = try reader.bits()
        resume = try reader.flag()
    }
}

/// When the guest ran, by this host's `CLOCK_MONOTONIC` in ns, and how long letting it run took.
public struct GuardianResumed: WireMessage, Hashable {
    public static let type = FrameType.guardianResumed
    /// When it ran.
    public let at: UInt64
    /// How long that took.
    public let took: Duration

    /// States it.
    public init(at: UInt64, took: Duration) {
        self.at = at
        self.took = took
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(at)
        writer.duration(took)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        at = try reader.integer()
        took = try reader.duration()
    }
}

/// The attempt is given up: the destination's copy is destroyed, durably.
public struct GuardianDiscard: AttemptMessage, Hashable {
    public static let type = FrameType.guardianDiscard
    /// The attempt.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// Powers the guest off and ends the guardian.
public struct GuardianPowerOff: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianPowerOff

    /// The only value.
    public init() {}
}

/// Gives an interrupted move up, and makes sure that a guest which this host owns runs.
public struct GuardianSettle: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianSettle

    /// The only value.
    public init() {}
}

/// Gives the move up that is under way, whoever its worker is; the worker is let go.
public struct GuardianCancel: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianCancel

    /// The only value.
    public init() {}
}

/// Stops the guest until somebody has looked.
public struct GuardianFreeze: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianFreeze

    /// The only value.
    public init() {}
}

/// Takes the right that a host may hold which an operator has fenced.
public struct GuardianSeize: WireMessage, Hashable {
    public static let type = FrameType.guardianSeize
    /// The fenced host, for the record's reader.
    public let fenced: String

    /// Takes the right.
    public init(fenced: String) { self.fenced = fenced }

    public func encode(into writer: inout WireWriter) { writer.text(fenced) }

    public init(from reader: inout WireReader) throws(WireError) { fenced = try reader.text() }
}

/// Gives up a VM that this host owns, for an owner that an operator has decided on; the guest is
/// destroyed, durably.
public struct GuardianOverrule: AttemptMessage, Hashable {
    public static let type = FrameType.guardianOverrule
    /// The attempt at whose epoch the other owner keeps the VM.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// Asks what keeps the guest's state from being saved; answered by `GuardianInspection`.
public struct GuardianInspect: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianInspect

    /// The only value.
    public init() {}
}

/// The hypervisor's own reasons why the guest cannot be moved.
///
/// One field, a list of at most 64 texts, 2048 each.
public struct GuardianInspection: WireMessage, Hashable {
    public static let type = FrameType.guardianInspection
    /// The reasons; none when it can.
    public let blockers: [String]

    /// Wraps reasons; those beyond the limit are left out.
    public init(blockers: [String]) {
        self.blockers = Array(blockers.prefix(WireLimits.items))
    }

    public func encode(into writer: inout WireWriter) {
        writer.list(blockers) { $0.text($1, limit: WireLimits.sentence) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        blockers = try reader.list(limit: WireLimits.items) { (reader) throws(WireError) in
            try reader.text(limit: WireLimits.sentence)
        }
    }
}
