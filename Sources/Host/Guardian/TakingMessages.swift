public import MigrationModel
public import WireProtocol

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
