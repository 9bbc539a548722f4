public import MigrationModel

/// Asks for the host's policy; answered by `HostPolicyMessage`.
public struct ShowPolicy: EmptyWireMessage, Hashable {
    public static let type = FrameType.showPolicy

    /// The only value.
    public init() {}
}

/// Puts another policy in the place of the one it was made from; answered by `HostPolicyMessage`.
///
/// | field | type |
/// | --- | --- |
/// | base | policy: what was read before; refused when it is no longer so |
/// | policy | policy: what shall be |
public struct ChangePolicy: WireMessage, Hashable {
    public static let type = FrameType.changePolicy
    /// What was read before.
    public let base: HostPolicy
    /// What shall be.
    public let policy: HostPolicy

    /// States a change.
    public init(base: HostPolicy, policy: HostPolicy) {
        self.base = base
        self.policy = policy
    }

    public func encode(into writer: inout WireWriter) {
        writer.policy(base)
        writer.policy(policy)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        base = try reader.policy()
        policy = try reader.policy()
    }
}

/// A host's policy and what it comes to now.
///
/// | field | type |
/// | --- | --- |
/// | policy | policy |
/// | memory reserve | u64: in effect |
/// | outgoing, incoming | u32 each: moves under way |
/// | promised | u64: memory of guests on their way here |
/// | addresses | list of 64 addresses, data of 4 or 16 bytes |
public struct HostPolicyMessage: WireMessage, Hashable {
    public static let type = FrameType.hostPolicy
    /// The policy and what it comes to.
    public let settings: HostSettings

    /// Wraps settings.
    public init(_ settings: HostSettings) { self.settings = settings }

    public func encode(into writer: inout WireWriter) {
        writer.policy(settings.policy)
        writer.integer(settings.memoryReserve.bytes)
        writer.integer(UInt32(clamping: settings.outgoing))
        writer.integer(UInt32(clamping: settings.incoming))
        writer.integer(settings.promised.bytes)
        writer.list(Array(settings.addresses.prefix(WireLimits.items))) { $0.data($1.bytes) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        settings = HostSettings(
            policy: try reader.policy(), memoryReserve: ByteCount(try reader.integer()),
            outgoing: Int(try reader.integer(UInt32.self)),
            incoming: Int(try reader.integer(UInt32.self)),
            promised: ByteCount(try reader.integer()),
            addresses: try reader.list(limit: WireLimits.items) { (reader) throws(WireError) in
                try reader.address()
            })
    }
}

extension WireWriter {
    mutating func policy(_ policy: HostPolicy) {
        flag(policy.isLiveMigrationEnabled)
        integer(UInt8(clamping: policy.liveMoves))
        integer(UInt8(clamping: policy.storageMoves))
        integer(policy.compression.rawValue)
        flag(policy.allowsAnyNetwork)
        list(policy.networks) { writer, network in
            writer.data(network.subnet.base.bytes)
            writer.integer(UInt8(clamping: network.subnet.prefix))
            writer.integer(UInt16(clamping: network.priority))
            writer.optional(network.moves) { $0.integer(UInt8(clamping: $1)) }
        }
        list(policy.peers) { $0.text($1.text) }
        optional(policy.memoryReserve) { $0.integer($1.bytes) }
        optional(policy.hypervisorUser) { $0.text($1) }
        optional(policy.hypervisorUsers) { writer, range in
            writer.integer(range.ids.lowerBound)
            writer.integer(range.ids.upperBound)
        }
        flag(policy.requiresSandbox)
        integer(policy.userNetworking.rawValue)
        flag(policy.folders.includesDefaults)
        for kind in GuestFileKind.allCases { list(policy.folders[kind]) { $0.text($1) } }
        flag(policy.maintenance.isCordoned)
        list(policy.maintenance.guests) { writer, guest in
            writer.text(guest.name.text)
            writer.bits(guest.uuid.bits)
            writer.integer(guest.fate.rawValue)
        }
    }
}

extension WireReader {
    mutating func policy() throws(WireError) -> HostPolicy {
        var policy = HostPolicy()
        policy.isLiveMigrationEnabled = try flag()
        policy.liveMoves = Int(try integer(UInt8.self))
        policy.storageMoves = Int(try integer(UInt8.self))
        policy.compression = try choice()
        policy.allowsAnyNetwork = try flag()
        policy.networks = try list(limit: HostPolicy.networkLimit) { (reader) throws(WireError) in
            let base = try reader.address()
            let prefix = Int(try reader.integer(UInt8.self))
            guard let subnet = Subnet(base, prefix: prefix) else { throw .field("subnet") }
            return MigrationNetwork(
                subnet, priority: Int(try reader.integer(UInt16.self)),
                moves: try reader.optional { (reader) throws(WireError) in
                    Int(try reader.integer(UInt8.self))
                })
        }
        policy.peers = try list(limit: HostPolicy.peerLimit) { (reader) throws(WireError) in
            let text = try reader.text(limit: 64)
            guard let name = try? HostName(text) else { throw .field("peer") }
            return name
        }
        policy.memoryReserve = try optional { (reader) throws(WireError) in
            ByteCount(try reader.integer())
        }
        policy.hypervisorUser = try optional { (reader) throws(WireError) in
            try reader.text(limit: HostPolicy.userNameLimit)
        }
        policy.hypervisorUsers = try optional { (reader) throws(WireError) in
            let first = try reader.integer(UInt32.self)
            let last = try reader.integer(UInt32.self)
            guard let range = try? HypervisorUserRange(first, last) else {
                throw .field("hypervisor users")
            }
            return range
        }
        policy.requiresSandbox = try flag()
        policy.userNetworking = try choice()
        policy.folders.includesDefaults = try flag()
        for kind in GuestFileKind.allCases {
            policy.folders[kind] = try list(limit: GuestFolders.limit) {
                (reader) throws(WireError) in try reader.text()
            }
        }
        policy.maintenance.isCordoned = try flag()
        policy.maintenance.guests = try list(limit: Maintenance.guestLimit) {
            (reader) throws(WireError) in
            let text = try reader.text(limit: 64)
            guard let name = try? VMName(text) else { throw .field("guest") }
            return Maintenance.Guest(
                name: name, uuid: VMUUID(try reader.bits()), fate: try reader.choice())
        }
        return policy
    }

    mutating func address() throws(WireError) -> IPAddress {
        guard let address = IPAddress(bytes: try data(limit: 16)) else { throw .field("address") }
        return address
    }
}
