public import MigrationModel

/// The agent's public keys, each as a line of an authorized_keys file.
///
/// | field | type |
/// | --- | --- |
/// | lines | list of 64 texts, 4096 each: the keys that lanes may log in with |
/// | former | list of 64 texts, 4096 each: keys that the agent had before |
/// | host | text, 64: tells this agent from others, whatever keys it has |
public struct PublicKeyMessage: WireMessage, Hashable {
    public static let type = FrameType.publicKey
    /// The lines, such as `ssh-ed25519 AAAA…`.
    public let lines: [String]
    /// Keys that the agent had before, in the same form.
    public let former: [String]
    /// What tells this agent from others, whatever keys it has.
    public let host: String

    /// States keys.
    public init(lines: [String], former: [String] = [], host: String = "") {
        self.lines = lines
        self.former = former
        self.host = host
    }

    public func encode(into writer: inout WireWriter) {
        writer.list(lines) { $0.text($1) }
        writer.list(former) { $0.text($1) }
        writer.text(host, limit: WireLimits.word)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        lines = try reader.names()
        former = try reader.names()
        host = try reader.text(limit: WireLimits.word)
    }
}

/// Lets a peer's agent open lanes to this host; answered by `DoneMessage`.
///
/// | field | type |
/// | --- | --- |
/// | peer | text, 64: the peer's name |
/// | keys | list of 64 texts, 4096 each: its public keys |
/// | former | list of 64 texts, 4096 each: keys that it no longer has |
/// | host | text, 64: tells the peer from others, whatever keys it has |
/// | addresses | list of 64 texts, 4096 each: where it may log in from; anywhere when empty |
/// | file | optional text, 4096: the authorized_keys file |
/// | agent | text, 4096: the path of this host's agent |
/// | sudo | flag: whether the agent becomes root by sudo |
/// | provisional | flag: whether the change is undone unless `SettlePeers` keeps it |
public struct AuthorizePeer: WireMessage, Hashable {
    public static let type = FrameType.authorizePeer
    /// The peer's name.
    public let peer: String
    /// Its public keys.
    public let keys: [String]
    /// Keys that it no longer has.
    public let former: [String]
    /// What tells the peer from others.
    public let host: String
    /// Addresses and networks that it may log in from; anywhere when empty.
    public let addresses: [String]
    /// The file to write to; `nil` is `~/.ssh/authorized_keys`.
    public let file: String?
    /// The path of this host's agent.
    public let agent: String
    /// Whether the agent becomes root by sudo.
    public let usesSudo: Bool
    /// Whether the change is undone at the end of the conversation, unless it is kept.
    public let isProvisional: Bool

    /// States who may come.
    public init(
        peer: HostName, keys: [String], former: [String] = [], host: String = "",
        addresses: [String] = [], file: String?, agent: String, usesSudo: Bool = false,
        isProvisional: Bool = false
    ) {
        self.peer = peer.text
        self.keys = keys
        self.former = former
        self.host = host
        self.addresses = addresses
        self.file = file
        self.agent = agent
        self.usesSudo = usesSudo
        self.isProvisional = isProvisional
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(peer)
        writer.list(keys) { $0.text($1) }
        writer.list(former) { $0.text($1) }
        writer.text(host, limit: WireLimits.word)
        writer.list(addresses) { $0.text($1) }
        writer.optional(file) { $0.text($1) }
        writer.text(agent)
        writer.flag(usesSudo)
        writer.flag(isProvisional)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        peer = try reader.text(limit: 64)
        guard peer.isPlainName(limit: 64) else { throw .field("peer") }
        keys = try reader.names()
        former = try reader.names()
        host = try reader.text(limit: WireLimits.word)
        addresses = try reader.names()
        file = try reader.optional { (reader) throws(WireError) in try reader.text() }
        agent = try reader.text()
        usesSudo = try reader.flag()
        isProvisional = try reader.flag()
    }
}

/// Takes back what `AuthorizePeer` gave; answered by `PeersWithdrawn`.
///
/// | field | type |
/// | --- | --- |
/// | peer | text, 64: the peer's name |
/// | keys | list of 64 texts, 4096 each: its public keys; by name alone when empty |
/// | host | text, 64: tells the peer from others, whatever keys it has |
/// | file | optional text, 4096: the authorized_keys file |
public struct WithdrawPeer: WireMessage, Hashable {
    public static let type = FrameType.withdrawPeer
    /// The peer's name.
    public let peer: String
    /// Its public keys; empty for a peer that cannot be asked, which its name stands for.
    public let keys: [String]
    /// What tells the peer from others.
    public let host: String
    /// The file to change; `nil` is `~/.ssh/authorized_keys`.
    public let file: String?

    /// States who may come no more.
    public init(peer: HostName, keys: [String], host: String = "", file: String?) {
        self.peer = peer.text
        self.keys = keys
        self.host = host
        self.file = file
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(peer)
        writer.list(keys) { $0.text($1) }
        writer.text(host, limit: WireLimits.word)
        writer.optional(file) { $0.text($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        peer = try reader.text(limit: 64)
        guard peer.isPlainName(limit: 64) else { throw .field("peer") }
        keys = try reader.names()
        host = try reader.text(limit: WireLimits.word)
        file = try reader.optional { (reader) throws(WireError) in try reader.text() }
    }
}

/// The keys that were taken out, one field: a list of 64 fingerprints, text, 4096 each.
public struct PeersWithdrawn: WireMessage, Hashable {
    public static let type = FrameType.peersWithdrawn
    /// Their fingerprints.
    public let fingerprints: [String]

    /// Names keys; those beyond the limit are left out.
    public init(_ fingerprints: [String]) {
        self.fingerprints = Array(fingerprints.prefix(WireLimits.items))
    }

    public func encode(into writer: inout WireWriter) {
        writer.list(fingerprints) { $0.text($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        fingerprints = try reader.names()
    }
}

/// Keeps, or undoes, what provisional `AuthorizePeer` messages of this conversation changed.
///
/// One field, a flag: whether it is kept. Answered by `DoneMessage`.
public struct SettlePeers: WireMessage, Hashable {
    public static let type = FrameType.settlePeers
    /// Whether the changes are kept.
    public let isKept: Bool

    /// Decides.
    public init(keeping isKept: Bool) { self.isKept = isKept }

    public func encode(into writer: inout WireWriter) { writer.flag(isKept) }

    public init(from reader: inout WireReader) throws(WireError) { isKept = try reader.flag() }
}

/// Has an agent log in to a peer as its lanes would; answered by `GateOpened`.
///
/// One field, the peer: name, address text; port u16; user text; host keys: list of 64 texts; jumps:
/// list of 8, each with these fields.
public struct TryPeer: WireMessage, Hashable {
    public static let type = FrameType.tryPeer
    /// The peer.
    public let peer: StartOutgoing.Peer

    /// Names a peer.
    public init(_ peer: StartOutgoing.Peer) { self.peer = peer }

    public func encode(into writer: inout WireWriter) { writer.peer(peer) }

    public init(from reader: inout WireReader) throws(WireError) { peer = try reader.peer() }
}

/// What the gate for peers' keys says to one that only knocks.
///
/// | field | type |
/// | --- | --- |
/// | names | list of 64 texts, 4096 each: what the key's line calls its owner |
/// | key | text, 4096: the fingerprint of the key that logged in |
/// | root | text, 4096: the host's folder behind the gate |
/// | host | text, 64: the identity of that host |
/// | address | text, 4096: where the peer comes from, as this host's sshd sees it |
public struct GateOpened: WireMessage, Hashable {
    public static let type = FrameType.gateOpened
    /// What the key's line calls its owner.
    public let names: [String]
    /// The fingerprint of the key that logged in.
    public let key: String
    /// The folder of the host behind the gate.
    public let root: String
    /// The identity of that host.
    public let host: String
    /// The address that the peer comes from; empty where it is not known.
    public let address: String

    /// States who has come where.
    public init(
        names: [String], key: String, root: String, host: String, address: String
    ) {
        self.names = names
        self.key = key
        self.root = root
        self.host = host
        self.address = address
    }

    public func encode(into writer: inout WireWriter) {
        writer.list(names) { $0.text($1) }
        writer.text(key)
        writer.text(root)
        writer.text(host, limit: WireLimits.word)
        writer.text(address)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        names = try reader.names()
        key = try reader.text()
        root = try reader.text()
        host = try reader.text(limit: WireLimits.word)
        address = try reader.text()
    }
}

extension WireReader {
    /// Takes a list of short texts.
    mutating func names() throws(WireError) -> [String] {
        try list(limit: WireLimits.items) { (reader) throws(WireError) in try reader.text() }
    }
}
