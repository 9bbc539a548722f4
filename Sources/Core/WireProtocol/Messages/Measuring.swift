public import MigrationModel

/// Asks a source what a guest writes and what lanes to a destination carry.
///
/// Answered by `GuestMeasured`. Nothing is changed, and the guest runs.
///
/// | field | type |
/// | --- | --- |
/// | name | text, 64 |
/// | peer, policy | as in `StartOutgoing` |
public struct MeasureGuest: WireMessage, Hashable {
    public static let type = FrameType.measureGuest
    /// The VM.
    public let name: VMName
    /// The destination, as this host reaches it.
    public let peer: StartOutgoing.Peer
    /// How the move would behave.
    public let policy: MigrationPolicy

    /// Names a move.
    public init(name: VMName, peer: StartOutgoing.Peer, policy: MigrationPolicy) {
        self.name = name
        self.peer = peer
        self.policy = policy
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.peer(peer)
        writer.policy(policy)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        peer = try reader.peer()
        policy = try reader.policy()
    }
}

/// What was measured: the answer to `MeasureGuest`.
///
/// | field | type |
/// | --- | --- |
/// | populated, zero | u64 each: pages |
/// | windows | list of 32: length i64 ns, least and most dirtied pages u64 |
/// | ratio | least and most, u32 each: thousandths |
/// | lanes | optional: count u8, least and most bytes a second u64, round-trip i64 ns |
/// | failure | optional, there exactly where lanes are not: as `FailureMessage` |
public struct GuestMeasured: WireMessage, Hashable {
    public static let type = FrameType.guestMeasured
    /// The measurements.
    public let measurement: GuestMeasurement

    /// Wraps measurements; windows beyond the limit are left out.
    public init(_ measurement: GuestMeasurement) {
        var measurement = measurement
        measurement.windows = Array(measurement.windows.prefix(WireLimits.windows))
        self.measurement = measurement
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(measurement.populatedPages)
        writer.integer(measurement.zeroPages)
        writer.list(measurement.windows) { writer, window in
            writer.duration(window.length)
            writer.integer(window.dirtiedPages.lowerBound)
            writer.integer(window.dirtiedPages.upperBound)
        }
        writer.ratio(measurement.codingRatio.lowerBound)
        writer.ratio(measurement.codingRatio.upperBound)
        writer.integer(measurement.deviceState.bytes)
        writer.optional(try? measurement.lanes.get()) { writer, lanes in
            writer.integer(UInt8(clamping: lanes.count))
            writer.integer(lanes.rate.lowerBound.bytesPerSecond)
            writer.integer(lanes.rate.upperBound.bytesPerSecond)
            writer.duration(lanes.roundTrip)
        }
        writer.optional(measurement.failure) { FailureMessage($1).encode(into: &$0) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let populated: UInt64 = try reader.integer()
        let zero: UInt64 = try reader.integer()
        guard zero <= populated else { throw .field("zero") }
        let windows = try reader.list(limit: WireLimits.windows) { (reader) throws(WireError) in
            GuestMeasurement.Window(
                length: try reader.duration(), dirtiedPages: try reader.range("window"))
        }
        let (least, most) = (try reader.ratio(), try reader.ratio())
        guard least <= most else { throw .field("ratio") }
        let state: UInt64 = try reader.integer()
        guard state <= WireLimits.deviceState else { throw .field("device state") }
        measurement = GuestMeasurement(
            populatedPages: populated, zeroPages: zero, windows: windows,
            codingRatio: least...most, deviceState: ByteCount(state),
            lanes: try reader.lanes())
    }
}

/// The first frame of a connection that is opened to be measured, and the last one of what is sent
/// on it at a time: number u32.
///
/// Between two come `batch` frames, whose bytes are counted and not looked at.
public struct LaneProbe: WireMessage, Hashable {
    public static let type = FrameType.laneProbe
    /// From 0.
    public let number: UInt32

    /// Numbers a probe.
    public init(number: UInt32) { self.number = number }

    public func encode(into writer: inout WireWriter) { writer.integer(number) }

    public init(from reader: inout WireReader) throws(WireError) { number = try reader.integer() }
}

/// Everything up to a `LaneProbe` has arrived: number u32, bytes of batches since the last one u64,
/// the answering host's identity text, 64, empty where it has none.
public struct LaneProbed: WireMessage, Hashable {
    public static let type = FrameType.laneProbed
    /// The probe's number.
    public let number: UInt32
    /// Payload bytes of batches since the probe before.
    public let bytes: UInt64
    /// Who answers: an address may lead to another host than meant.
    public let host: String

    /// Answers a probe.
    public init(number: UInt32, bytes: UInt64, host: String) {
        self.host = host
        self.number = number
        self.bytes = bytes
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(number)
        writer.integer(bytes)
        writer.text(host, limit: WireLimits.word)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        number = try reader.integer()
        bytes = try reader.integer()
        host = try reader.text(limit: WireLimits.word)
    }
}

extension GuestMeasurement {
    fileprivate var failure: LivemigError? {
        if case .failure(let error) = lanes { error } else { nil }
    }
}

extension WireWriter {
    /// Appends a ratio in thousandths.
    fileprivate mutating func ratio(_ value: Double) {
        integer(UInt32((min(max(value, 0), 4e6) * 1000).rounded()))
    }
}

extension WireReader {
    fileprivate mutating func ratio() throws(WireError) -> Double {
        Double(try integer(UInt32.self)) / 1000
    }

    fileprivate mutating func range(_ name: String) throws(WireError) -> ClosedRange<UInt64> {
        let (low, high): (UInt64, UInt64) = (try integer(), try integer())
        guard low <= high else { throw .field(name) }
        return low...high
    }

    fileprivate mutating func lanes() throws(WireError)
        -> Result<GuestMeasurement.Lanes, LivemigError>
    {
        let lanes = try optional { (reader) throws(WireError) in
            let count = Int(try reader.integer(UInt8.self))
            let rate = try reader.range("rate")
            return GuestMeasurement.Lanes(
                count: count,
                rate: Bandwidth(
                    bytesPerSecond: rate.lowerBound)...Bandwidth(bytesPerSecond: rate.upperBound),
                roundTrip: try reader.duration())
        }
        let failure = try optional { (reader) throws(WireError) in
            try FailureMessage(from: &reader).error
        }
        switch (lanes, failure) {
        case (let lanes?, nil): return .success(lanes)
        case (nil, let failure?): return .failure(failure)
        default: throw .field("lanes")
        }
    }
}
