public import MigrationModel

/// A bridge does not let the guest in yet: rounds go on until `machineReady` comes, once more where
/// it came before.
///
/// | field | type |
/// | --- | --- |
/// | bridge | text, 15 |
/// | limit | i64 ns: how long the destination waits for it, from now |
public struct PortsAwaited: WireMessage, Hashable {
    public static let type = FrameType.portsAwaited
    /// The bridge's name.
    public let bridge: String
    /// How long the destination waits.
    public let limit: Duration

    /// Names what is waited for.
    public init(bridge: String, limit: Duration) {
        self.bridge = bridge
        self.limit = limit
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(bridge, limit: NetworkMap.nameLimit)
        writer.duration(limit)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        bridge = try reader.text(limit: NetworkMap.nameLimit)
        limit = try reader.duration()
    }
}

/// How soon bridges knew of the guest: attempt, then a list of 256, one for each interface: bridge
/// text, 15; MAC text, 64; after optional i64 ns; state u8.
public struct GuestReached: WireMessage, Hashable {
    public static let type = FrameType.guestReached
    /// The attempt.
    public let attempt: Attempt
    /// What was measured.
    public let reach: [NetworkReach]

    /// States what was measured; what is beyond the limit is left out.
    public init(attempt: Attempt, reach: [NetworkReach]) {
        self.attempt = attempt
        self.reach = Array(reach.prefix(WireLimits.devices))
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.reach(reach)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        reach = try reader.reach()
    }
}

extension WireWriter {
    mutating func reach(_ reach: [NetworkReach]) {
        list(reach) { writer, reach in
            writer.text(reach.bridge, limit: NetworkMap.nameLimit)
            writer.text(reach.mac, limit: WireLimits.word)
            writer.optional(reach.after) { $0.duration($1) }
            writer.integer(reach.state.rawValue)
        }
    }
}

extension WireReader {
    mutating func reach() throws(WireError) -> [NetworkReach] {
        try list(limit: WireLimits.devices) { (reader) throws(WireError) in
            NetworkReach(
                bridge: try reader.text(limit: NetworkMap.nameLimit),
                mac: try reader.text(limit: WireLimits.word),
                after: try reader.optional { (reader) throws(WireError) in
                    try reader.duration()
                }, state: try reader.choice())
        }
    }
}
