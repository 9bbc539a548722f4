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
/// | source keys | list of 64 texts, 4096 each: the keys that the source's lanes log in with |
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
    /// The fingerprints of the keys that the source's lanes log in with; empty where only its name
    /// is known.
    public let sourceKeys: [String]

    /// States what will come.
    public init(
        attempt: Attempt, definition: String, secret: UInt64, source: HostName,
        networks: NetworkMap = NetworkMap(), sourceKeys: [String] = []
    ) {
        self.networks = networks
        self.sourceKeys = sourceKeys
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
        writer.list(sourceKeys) { $0.text($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        definition = try reader.text(limit: WireLimits.definition)
        secret = Secret(try reader.integer())
        source = try reader.text(limit: 64)
        networks = try reader.networks()
        sourceKeys = try reader.names()
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
/// | peer | name, address text; port u16; user text; host keys: list of 64 texts; jumps: list of 8, each with these fields |
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
        /// The hosts to go through, the first one reached directly; those of jumps do not count.
        public var jumps: [Peer] = []

        /// States a peer that is reached directly.
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
