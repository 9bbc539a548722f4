public import MigrationModel

/// Asks a source what of a VM would keep it from being moved to a peer; changes nothing.
///
/// | field | type |
/// | --- | --- |
/// | name | text, 64: the VM |
/// | peer | text, 64: the destination's name |
/// | path | u8: direct or relayed |
/// | keys | optional text, 4096: the file with the keys that may log in to this host |
public struct InspectOutgoing: WireMessage, Hashable {
    public static let type = FrameType.inspectOutgoing
    /// The VM.
    public let name: VMName
    /// The destination.
    public let peer: String
    /// How page data would reach it.
    public let path: MigrationPolicy.Path
    /// The file with the keys that may log in to this host; `nil` is `~/.ssh/authorized_keys`.
    public let keys: String?

    /// Names a move.
    public init(name: VMName, peer: HostName, path: MigrationPolicy.Path, keys: String?) {
        self.name = name
        self.peer = peer.text
        self.path = path
        self.keys = keys
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.text(peer)
        writer.integer(path.rawValue)
        writer.optional(keys) { $0.text($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        peer = try reader.text(limit: 64)
        guard peer.isPlainName(limit: 64) else { throw .field("peer") }
        path = try reader.choice()
        keys = try reader.optional { (reader) throws(WireError) in try reader.text() }
    }
}

/// Asks a destination what would keep a VM from running there; changes nothing.
///
/// | field | type |
/// | --- | --- |
/// | definition | text, 1 MiB: the XML document |
/// | source | text, 64: the source's name |
/// | running | flag: whether the guest runs, and so holds its disks' locks |
/// | path | u8: direct or relayed |
/// | keys | optional text, 4096: the file with the keys that may log in to this host |
/// | bridges | list of 64: old and new name, text, 15 each |
/// | all bridges | flag: whether each of them must be one that the VM has |
public struct InspectIncoming: WireMessage, Hashable {
    public static let type = FrameType.inspectIncoming
    /// The XML document.
    public let definition: String
    /// The source.
    public let source: String
    /// Whether the guest runs on the source.
    public let isRunning: Bool
    /// How page data would come.
    public let path: MigrationPolicy.Path
    /// The file with the keys that may log in to this host; `nil` is `~/.ssh/authorized_keys`.
    public let keys: String?
    /// Bridges of the definition, and what would take their place here.
    public let networks: NetworkMap
    /// Whether each of them must be one that the VM has.
    public let usesAllNetworks: Bool

    /// Names a move.
    public init(
        definition: String, source: HostName, isRunning: Bool, path: MigrationPolicy.Path,
        keys: String?, networks: NetworkMap = NetworkMap(), usesAllNetworks: Bool = true
    ) {
        self.networks = networks
        self.usesAllNetworks = usesAllNetworks
        self.definition = definition
        self.source = source.text
        self.isRunning = isRunning
        self.path = path
        self.keys = keys
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(definition, limit: WireLimits.definition)
        writer.text(source)
        writer.flag(isRunning)
        writer.integer(path.rawValue)
        writer.optional(keys) { $0.text($1) }
        writer.networks(networks)
        writer.flag(usesAllNetworks)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        definition = try reader.text(limit: WireLimits.definition)
        source = try reader.text(limit: 64)
        guard source.isPlainName(limit: 64) else { throw .field("source") }
        isRunning = try reader.flag()
        path = try reader.choice()
        keys = try reader.optional { (reader) throws(WireError) in try reader.text() }
        networks = try reader.networks()
        usesAllNetworks = try reader.flag()
    }
}

/// What a host has found: the answer to both.
///
/// | field | type |
/// | --- | --- |
/// | findings | list of 256: id text, 64; message, place, source, destination and fix text, 2048 each |
/// | images | list of 64: target and path text, 4096 each; size u64, in bytes; inode u64; reach u8: 0 unknown, 1 local, 2 shared; read-only flag |
/// | bridges | list of 64, one for each interface that is on one, each optional: name text, 15; MTU u32; up flag; VLAN optional u16; spanning tree flag; forward delay i64 ns |
public struct Inspection: WireMessage, Hashable {
    public static let type = FrameType.inspection
    /// The findings.
    public let findings: [Finding]
    /// The images of the VM's disks that the host could look at.
    public let images: [ImageFacts]
    /// The bridges of the guest's interfaces, in their order; `nil` for one that is not there.
    public let bridges: [BridgeFacts?]

    /// Wraps findings and what else was seen; those beyond the limits are left out.
    public init(
        _ findings: [Finding], images: [ImageFacts] = [], bridges: [BridgeFacts?] = []
    ) {
        self.findings = Array(findings.prefix(WireLimits.findings))
        self.images = Array(images.prefix(WireLimits.items))
        self.bridges = Array(bridges.prefix(WireLimits.bridges))
    }

    public func encode(into writer: inout WireWriter) {
        writer.list(findings) { $0.finding($1) }
        writer.list(images) { writer, image in
            writer.text(image.target)
            writer.text(image.path)
            writer.integer(image.size)
            writer.integer(image.inode)
            writer.integer(image.reach.rawValue)
            writer.flag(image.isReadOnly)
        }
        writer.list(bridges) { writer, bridge in writer.optional(bridge) { $0.bridge($1) } }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        findings = try reader.list(limit: WireLimits.findings) { (reader) throws(WireError) in
            try reader.finding()
        }
        images = try reader.list(limit: WireLimits.items) { (reader) throws(WireError) in
            ImageFacts(
                target: try reader.text(), path: try reader.text(), size: try reader.integer(),
                inode: try reader.integer(), reach: try reader.choice(),
                isReadOnly: try reader.flag())
        }
        bridges = try reader.list(limit: WireLimits.bridges) { (reader) throws(WireError) in
            try reader.optional { (reader) throws(WireError) in try reader.bridge() }
        }
    }
}

extension WireWriter {
    mutating func bridge(_ bridge: BridgeFacts) {
        text(bridge.name, limit: NetworkMap.nameLimit)
        integer(bridge.mtu)
        flag(bridge.isUp)
        optional(bridge.vlan) { $0.integer($1) }
        flag(bridge.usesSpanningTree)
        duration(bridge.forwardDelay)
    }

    mutating func finding(_ finding: Finding) {
        text(finding.id, limit: WireLimits.word)
        for sentence in [
            finding.message, finding.place, finding.source, finding.destination, finding.fix,
        ] {
            text(sentence, limit: WireLimits.sentence)
        }
    }
}

extension WireReader {
    mutating func bridge() throws(WireError) -> BridgeFacts {
        BridgeFacts(
            name: try text(limit: NetworkMap.nameLimit), mtu: try integer(), isUp: try flag(),
            vlan: try optional { (reader) throws(WireError) in try reader.integer() },
            usesSpanningTree: try flag(), forwardDelay: try duration())
    }

    mutating func finding() throws(WireError) -> Finding {
        guard let kind = Finding.Kind(id: try text(limit: WireLimits.word)) else {
            throw .field("id")
        }
        let message = try text(limit: WireLimits.sentence)
        let place = try text(limit: WireLimits.sentence)
        let source = try text(limit: WireLimits.sentence)
        let destination = try text(limit: WireLimits.sentence)
        return Finding(
            kind, message, at: place, source: source, destination: destination,
            fix: try text(limit: WireLimits.sentence))
    }
}

extension WireWriter {
    mutating func networks(_ networks: NetworkMap) {
        list(networks.entries) { writer, entry in
            writer.text(entry.old)
            writer.text(entry.new)
        }
    }
}

extension WireReader {
    mutating func networks() throws(WireError) -> NetworkMap {
        let entries = try list(limit: WireLimits.bridges) { (reader) throws(WireError) in
            let old = try reader.text(limit: NetworkMap.nameLimit)
            let new = try reader.text(limit: NetworkMap.nameLimit)
            guard let entry = try? NetworkMap.Entry(old, new) else { throw .field("bridge") }
            return entry
        }
        guard let networks = try? NetworkMap(entries) else { throw .field("bridges") }
        return networks
    }
}
