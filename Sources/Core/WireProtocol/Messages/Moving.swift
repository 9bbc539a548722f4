public import MigrationModel

/// Makes the destination ready; answered by `Prepared`, and by `Moved` or a failure at the end.
///
/// | field | type |
/// | --- | --- |
/// | attempt | migration 16 bytes, epoch u64 |
/// | definition | text, 1 MiB |
/// | secret | u64: key of the page hashes |
/// | source | text, 64: the source host's name |
/// | bridges | list of 64: old and new name, text, 15 each |
public struct PrepareIncoming: WireMessage, Hashable {
    public static let type = FrameType.prepareIncoming
    /// The attempt.
    public let attempt: Attempt
    /// The VM's XML document.
    public let definition: String
    /// The key of the page hashes.
    public let secret: Secret<UInt64>
    /// The source host's name, for messages.
    public let source: String
    /// Bridges of the definition, and what takes their place here.
    public let networks: NetworkMap

    /// States what will come.
    public init(
        attempt: Attempt, definition: String, secret: UInt64, source: HostName,
        networks: NetworkMap = NetworkMap()
    ) {
        self.networks = networks
        self.attempt = attempt
        self.definition = definition
        self.secret = Secret(secret)
        self.source = source.text
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.text(definition, limit: WireLimits.definition)
        writer.integer(secret.exposed)
        writer.text(source)
        writer.networks(networks)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        definition = try reader.text(limit: WireLimits.definition)
        secret = Secret(try reader.integer())
        source = try reader.text(limit: 64)
        networks = try reader.networks()
    }
}

/// The destination's record says ARM, guest RAM is there and lanes may come.
///
/// No fields.
public struct Prepared: EmptyWireMessage, Hashable {
    public static let type = FrameType.prepared

    /// The only value.
    public init() {}
}

/// Starts the move on the source; answered by `Phase`, `Round` and `Progress`, then `Moved` or a
/// failure.
///
/// | field | type |
/// | --- | --- |
/// | name | text, 64 |
/// | attempt | migration 16 bytes, epoch u64 |
/// | secret | u64 |
/// | definition | u64: checksum of the definition that the destination was given |
/// | peer | name, address text; port u16; user text; host keys: list of 64 texts |
/// | policy | max downtime i64 ns, timeout i64 ns, on-timeout u8, bandwidth optional u64, lanes optional u8, compression u8, path u8, keep-paused flag, verification u8 |
public struct StartOutgoing: WireMessage, Hashable {
    public static let type = FrameType.startOutgoing
    /// The VM.
    public let name: VMName
    /// The attempt.
    public let attempt: Attempt
    /// The key of the page hashes.
    public let secret: Secret<UInt64>
    /// The checksum of the definition that the destination was given: see `checksum`.
    public let definition: UInt64
    /// The destination, as this host reaches it.
    public let peer: Peer
    /// How the move shall behave.
    public let policy: MigrationPolicy

    /// Where lanes go: the part of the inventory's record that the source needs.
    public struct Peer: Hashable, Sendable {
        /// The name, for messages.
        public var name: String
        /// A DNS name or an IP address.
        public var address: String
        /// The SSH port.
        public var port: UInt16
        /// The user to log in as.
        public var user: String
        /// The pinned host keys.
        public var hostKeys: [String]

        /// States a peer.
        public init(
            name: String, address: String, port: UInt16, user: String, hostKeys: [String]
        ) {
            self.name = name
            self.address = address
            self.port = port
            self.user = user
            self.hostKeys = hostKeys
        }
    }

    /// States a move.
    public init(
        name: VMName, attempt: Attempt, secret: UInt64, definition: UInt64, peer: Peer,
        policy: MigrationPolicy
    ) {
        self.name = name
        self.attempt = attempt
        self.secret = Secret(secret)
        self.definition = definition
        self.peer = peer
        self.policy = policy
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.attempt(attempt)
        writer.integer(secret.exposed)
        writer.integer(definition)
        writer.peer(peer)
        writer.policy(policy)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        attempt = try reader.attempt()
        secret = Secret(try reader.integer())
        definition = try reader.integer()
        peer = try reader.peer()
        policy = try reader.policy()
    }

    /// The checksum of a definition, by which a change of it on the source is noticed.
    public static func checksum(of document: String) -> UInt64 {
        unsafe Checksum.of(Array(document.utf8).span.bytes)
    }
}

/// Asks the source to give up before the commit.
///
/// No fields.
public struct Cancel: EmptyWireMessage, Hashable {
    public static let type = FrameType.cancel

    /// The only value.
    public init() {}
}

/// Where a move has got to.
///
/// One field: u8.
public struct PhaseMessage: WireMessage, Hashable {
    public static let type = FrameType.phase
    /// The phases of a move, in order.
    public enum Phase: UInt8, Hashable, Sendable, CaseIterable {
        /// Lanes are opened: by the source, or by a controller that relays them, which waits for this.
        case connecting = 1
        /// Rounds run while the guest runs.
        case preCopy = 2
        /// The guest is stopped.
        case switchover = 3
        /// The right to run has been given away.
        case committed = 4
        /// The guest runs on the destination; the memory that it left is compared.
        case audit = 5

        /// The word that is shown.
        public var name: String {
            switch self {
            case .connecting: "connecting"
            case .preCopy: "pre-copy"
            case .switchover: "switchover"
            case .committed: "committed"
            case .audit: "audit"
            }
        }
    }
    /// The phase that has begun.
    public let phase: Phase

    /// Wraps a phase.
    public init(_ phase: Phase) { self.phase = phase }

    public func encode(into writer: inout WireWriter) { writer.integer(phase.rawValue) }

    public init(from reader: inout WireReader) throws(WireError) { phase = try reader.choice() }
}

/// A round that has ended.
///
/// | field | type |
/// | --- | --- |
/// | number | u32 |
/// | dirty pages | u64 |
/// | sent, zero, unchanged | u64 each |
/// | wire bytes | u64 |
/// | duration | i64 ns |
/// | dirtied pages | u64 |
public struct RoundMessage: WireMessage, Hashable {
    public static let type = FrameType.round
    /// The round.
    public let round: RoundReport

    /// Wraps a round.
    public init(_ round: RoundReport) { self.round = round }

    public func encode(into writer: inout WireWriter) {
        writer.integer(UInt32(clamping: round.number))
        writer.integer(round.dirtyPages)
        writer.pages(round.pages)
        writer.integer(round.wireBytes)
        writer.duration(round.duration)
        writer.integer(round.dirtiedPages)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        round = RoundReport(
            number: Int(try reader.integer(UInt32.self)), dirtyPages: try reader.integer(),
            pages: try reader.pages(), wireBytes: try reader.integer(),
            duration: try reader.duration(), dirtiedPages: try reader.integer())
    }
}

/// How far the round in progress is: round u32, pages done u64, pages of the round u64, wire bytes
/// of the whole move u64.
public struct ProgressMessage: WireMessage, Hashable {
    public static let type = FrameType.progress
    /// The round in progress.
    public let round: Int
    /// Pages of it that are on their way.
    public let done: UInt64
    /// All pages of it.
    public let total: UInt64
    /// Bytes on the wire since the move began.
    public let wireBytes: UInt64

    /// States progress.
    public init(round: Int, done: UInt64, total: UInt64, wireBytes: UInt64) {
        self.round = round
        self.done = done
        self.total = total
        self.wireBytes = wireBytes
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(UInt32(clamping: round))
        writer.integer(done)
        writer.integer(total)
        writer.integer(wireBytes)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        round = Int(try reader.integer(UInt32.self))
        done = try reader.integer()
        total = try reader.integer()
        wireBytes = try reader.integer()
    }
}

/// The guest is on the destination: the fields of `MigrationReport` in order.
public struct Moved: WireMessage, Hashable {
    public static let type = FrameType.moved
    /// The report.
    public let report: MigrationReport

    /// Wraps a report.
    public init(_ report: MigrationReport) { self.report = report }

    public func encode(into writer: inout WireWriter) {
        writer.integer(UInt32(clamping: report.rounds))
        writer.duration(report.transfer)
        writer.duration(report.downtime.finalPages)
        writer.duration(report.downtime.deviceState)
        writer.duration(report.downtime.commit)
        writer.duration(report.downtime.resume)
        writer.integer(report.guestBytes.bytes)
        writer.integer(report.wireBytes)
        writer.pages(report.pages)
        writer.integer(report.epoch.number)
        writer.flag(report.sourceIsClean)
        writer.flag(report.isRunning)
        writer.integer(report.verified.rawValue)
        writer.differing(report.differing)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let rounds = Int(try reader.integer(UInt32.self))
        let transfer = try reader.duration()
        var downtime = Downtime()
        downtime.finalPages = try reader.duration()
        downtime.deviceState = try reader.duration()
        downtime.commit = try reader.duration()
        downtime.resume = try reader.duration()
        report = MigrationReport(
            rounds: rounds, transfer: transfer, downtime: downtime,
            guestBytes: ByteCount(try reader.integer()), wireBytes: try reader.integer(),
            pages: try reader.pages(), epoch: try reader.epoch(),
            sourceIsClean: try reader.flag(), isRunning: try reader.flag(),
            verified: try reader.choice(), differing: try reader.differing())
    }
}
