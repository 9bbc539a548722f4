public import MigrationModel

/// The first frame of every connection between two agents.
///
/// | field | type |
/// | --- | --- |
/// | attempt | migration 16 bytes, epoch u64 |
/// | uuid | 16 bytes |
/// | lane | u8: 0 is the link that carries messages, 1–16 are data lanes |
/// | lanes | u8: how many data lanes there will be; in the link's, at most |
public struct LaneHello: WireMessage, Hashable {
    public static let type = FrameType.laneHello
    /// The attempt.
    public let attempt: Attempt
    /// The VM.
    public let uuid: VMUUID
    /// 0 for the link, else the number of the data lane.
    public let lane: Int
    /// How many data lanes there will be, 1 to `MigrationPolicy.laneLimit`.
    ///
    /// On the link this is a maximum: it is opened before the lanes, of which a host that limits
    /// its connections may let in fewer. On a data lane it is the number that came.
    public let lanes: Int

    /// Introduces a connection.
    public init(attempt: Attempt, uuid: VMUUID, lane: Int, lanes: Int) {
        self.attempt = attempt
        self.uuid = uuid
        self.lane = lane
        self.lanes = lanes
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.bits(uuid.bits)
        writer.integer(UInt8(clamping: lane))
        writer.integer(UInt8(clamping: lanes))
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        uuid = VMUUID(try reader.bits())
        lane = Int(try reader.integer(UInt8.self))
        lanes = Int(try reader.integer(UInt8.self))
        guard (1...MigrationPolicy.laneLimit).contains(lanes), lane <= lanes else {
            throw .field("lanes")
        }
    }
}

/// The connection belongs to the attempt and may be used.
///
/// No fields.
public struct LaneAccepted: EmptyWireMessage, Hashable {
    public static let type = FrameType.laneAccepted

    /// The only value.
    public init() {}
}

/// The last frame of a round on a data lane: round u32, batches of this lane in the round u64.
///
/// The receiver goes on to the next round when every lane has come to this point, so that a page
/// sent again on another lane is placed after its earlier content.
public struct RoundEnd: WireMessage, Hashable {
    public static let type = FrameType.roundEnd
    /// The round that ends.
    public let round: UInt32
    /// How many batches this lane carried in it.
    public let batches: UInt64

    /// Ends a round.
    public init(round: UInt32, batches: UInt64) {
        self.round = round
        self.batches = batches
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(round)
        writer.integer(batches)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        round = try reader.integer()
        batches = try reader.integer()
    }
}

/// Every page of a round is placed.
///
/// One field: round u32.
public struct RoundPlaced: WireMessage, Hashable {
    public static let type = FrameType.roundPlaced
    /// The round.
    public let round: UInt32

    /// Names a round.
    public init(round: UInt32) { self.round = round }

    public func encode(into writer: inout WireWriter) { writer.integer(round) }

    public init(from reader: inout WireReader) throws(WireError) { round = try reader.integer() }
}

/// Asks for the peer's clock.
///
/// One field: the sender's `CLOCK_MONOTONIC` in ns, u64, sent back.
public struct ClockProbe: WireMessage, Hashable {
    public static let type = FrameType.clockProbe
    /// When the probe was sent.
    public let sent: UInt64
    /// Bytes without meaning, which show how long so many take on the link.
    public let filler: [UInt8]

    /// States when it is sent.
    public init(sent: UInt64, filler: [UInt8] = []) {
        self.sent = sent
        self.filler = filler
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(sent)
        writer.data(filler)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        sent = try reader.integer()
        filler = try reader.data(limit: WireLimits.stateChunk)
    }
}

/// The peer's clock: the probe's time u64, the peer's own `CLOCK_MONOTONIC` in ns u64.
public struct ClockReply: WireMessage, Hashable {
    public static let type = FrameType.clockReply
    /// When the probe was sent, by the asker's clock.
    public let sent: UInt64
    /// When it was answered, by the answerer's clock.
    public let answered: UInt64
    /// How many batches of pages have been placed by then, on all lanes.
    public let batches: UInt64

    /// Answers a probe.
    public init(sent: UInt64, answered: UInt64, batches: UInt64) {
        self.sent = sent
        self.answered = answered
        self.batches = batches
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(sent)
        writer.integer(answered)
        writer.integer(batches)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        sent = try reader.integer()
        answered = try reader.integer()
        batches = try reader.integer()
    }
}

/// The destination's hypervisor waits for the device state.
///
/// No fields.
public struct MachineReady: EmptyWireMessage, Hashable {
    public static let type = FrameType.machineReady

    /// The only value.
    public init() {}
}

/// A piece of the device state, in order.
///
/// One field: data, 256 KiB.
public struct DeviceState: WireMessage, Hashable {
    public static let type = FrameType.deviceState
    /// The bytes.
    public let bytes: [UInt8]

    /// Wraps bytes.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    public func encode(into writer: inout WireWriter) { writer.data(bytes) }

    public init(from reader: inout WireReader) throws(WireError) {
        bytes = try reader.data(limit: WireLimits.stateChunk)
    }
}

/// Nothing more will come: the copy must be whole.
///
/// | field | type |
/// | --- | --- |
/// | attempt | migration 16 bytes, epoch u64 |
/// | rounds | u32: how many rounds there were |
/// | state bytes | u64: size of the device state |
/// | digest | 16 bytes: over the hashes of all pages sent |
/// | resume | flag: whether the guest shall run |
/// | verification | u8: what is compared, and when |
public struct Final: WireMessage, Hashable {
    public static let type = FrameType.final
    /// The attempt.
    public let attempt: Attempt
    /// How many rounds there were.
    public let rounds: UInt32
    /// The size of the device state.
    public let stateBytes: UInt64
    /// The digest over all pages sent.
    public let digest: Bits128
    /// Whether the guest shall run on the destination.
    public let resume: Bool
    /// How the copy is verified.
    public let verification: MigrationPolicy.Verification

    /// Ends the copy.
    public init(
        attempt: Attempt, rounds: UInt32, stateBytes: UInt64, digest: Bits128, resume: Bool,
        verification: MigrationPolicy.Verification
    ) {
        self.attempt = attempt
        self.rounds = rounds
        self.stateBytes = stateBytes
        self.digest = digest
        self.resume = resume
        self.verification = verification
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.integer(rounds)
        writer.integer(stateBytes)
        writer.bits(digest)
        writer.flag(resume)
        writer.integer(verification.rawValue)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        rounds = try reader.integer()
        stateBytes = try reader.integer()
        digest = try reader.bits()
        resume = try reader.flag()
        verification = try reader.choice()
    }
}

/// The destination holds the whole guest, and its record says RDY: attempt, digest.
public struct Ready: DigestMessage, Hashable {
    public static let type = FrameType.ready
    /// The attempt.
    public let attempt: Attempt
    /// The digest over all pages placed.
    public let digest: Bits128

    /// States readiness.
    public init(attempt: Attempt, digest: Bits128) {
        self.attempt = attempt
        self.digest = digest
    }
}

/// The right to run, given away for good: attempt, digest.
///
/// Sent again until it is acknowledged.
public struct Token: DigestMessage, Hashable {
    public static let type = FrameType.token
    /// The attempt.
    public let attempt: Attempt
    /// The digest that both ends agreed on.
    public let digest: Bits128

    /// Gives the right away.
    public init(attempt: Attempt, digest: Bits128) {
        self.attempt = attempt
        self.digest = digest
    }
}

/// The destination owns the guest: attempt, then when it ran by the destination's clock in ns u64,
/// how long letting it run took, i64 ns, and whether `guestReached` follows, flag.
public struct OwnerAcknowledged: WireMessage, Hashable {
    public static let type = FrameType.ownerAcknowledged
    /// The attempt.
    public let attempt: Attempt
    /// When the guest ran, by the destination's `CLOCK_MONOTONIC`.
    public let resumedAt: UInt64
    /// How long letting it run took.
    public let resume: Duration
    /// Whether it is measured how soon bridges know of the guest.
    public let measuresReach: Bool

    /// Acknowledges the right.
    public init(attempt: Attempt, resumedAt: UInt64, resume: Duration, measuresReach: Bool) {
        self.attempt = attempt
        self.resumedAt = resumedAt
        self.resume = resume
        self.measuresReach = measuresReach
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.integer(resumedAt)
        writer.duration(resume)
        writer.flag(measuresReach)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        resumedAt = try reader.integer()
        resume = try reader.duration()
        measuresReach = try reader.flag()
    }
}

/// Asks the destination to give up an attempt for good.
///
/// One field: attempt.
public struct Abort: AttemptMessage, Hashable {
    public static let type = FrameType.abort
    /// The attempt.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// The destination has given the attempt up, durably, and never ran the guest: attempt, reason.
public struct Aborted: WireMessage, Hashable {
    public static let type = FrameType.aborted
    /// The attempt.
    public let attempt: Attempt
    /// Why.
    public let reason: FailureMessage

    /// States why an attempt was given up.
    public init(attempt: Attempt, reason: LivemigError) {
        self.attempt = attempt
        self.reason = FailureMessage(reason)
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        reason.encode(into: &writer)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        reason = try FailureMessage(from: &reader)
    }
}
