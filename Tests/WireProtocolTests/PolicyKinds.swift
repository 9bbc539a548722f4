import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    /// What a host allows and its answer, and what is wanted of a guest.
    static let policies: [MessageKind] = [
        MessageKind(empty: ShowPolicy.self),
        MessageKind(
            ChangePolicy(base: HostPolicy(), policy: samplePolicy),
            [.group("base", policyLayout), .group("policy", policyLayout)]
        ) { ChangePolicy(base: $0.hostPolicy(), policy: $0.hostPolicy()) },
        MessageKind(
            HostPolicyMessage(
                HostSettings(
                    policy: samplePolicy, memoryReserve: .mebibytes(4096), outgoing: 1, incoming: 0,
                    promised: .mebibytes(64),
                    addresses: [address(0x0A4D_0002, 4), address(0xFD00_0077, 16)])),
            [
                .group("policy", policyLayout), .fixed("memory reserve", 8, note: "bytes"),
                .fixed("outgoing", 4), .fixed("incoming", 4), .fixed("promised", 8, note: "bytes"),
                .list("addresses", WireLimits.items, [.text("address", 16)]),
            ]
        ) { random in
            HostPolicyMessage(
                HostSettings(
                    policy: random.hostPolicy(), memoryReserve: ByteCount(random.next()),
                    outgoing: random.below(1 << 32), incoming: random.below(1 << 32),
                    promised: ByteCount(random.next()),
                    addresses: (0..<random.below(9)).map { _ in random.network().subnet.base }))
        },
        guestPolicyChange,
    ]

    static let sampleGuestPolicy = GuestPolicy(
        priority: .high, drain: DrainPolicy(.live, fallback: .save),
        placement: PlacementRules(affinity: "web", antiAffinity: .init("db", isHard: true)))

    private static var guestPolicyChange: MessageKind {
        guard case .success(let name) = MachineField.name,
            case .success(let host) = MachineField.host
        else { fatalError("plain names") }
        var policy = sampleGuestPolicy
        policy.placement.preferred = [host]
        return MessageKind(
            ChangeGuestPolicy(name: name, base: sampleGuestPolicy, policy: policy),
            [Layout.vmName, Layout.guestPolicy, Layout.guestPolicy]
        ) { random in
            ChangeGuestPolicy(
                name: (try? VMName(random.plain(64))) ?? name, base: random.guestPolicy(),
                policy: random.guestPolicy())
        }
    }

    private static let policyLayout: [Layout] = [
        .fixed("enabled", 1, note: "flag"), .fixed("live moves", 1),
        .fixed("storage moves", 1),
        .fixed("compression", 1, note: "1 auto, 2 none, 3 LZ4, 4 zstd"),
        .fixed("any network", 1, note: "flag"),
        .list(
            "networks", HostPolicy.networkLimit,
            [
                .text("base", 16), .fixed("prefix", 1), .fixed("priority", 2),
                .optional(.fixed("moves at a time", 1)),
            ]),
        .list("peers", HostPolicy.peerLimit, [.text("name", 64)]),
        .optional(.fixed("memory reserve", 8, note: "bytes")),
        .optional(.text("hypervisor user", HostPolicy.userNameLimit)),
        .optional(.group("hypervisor users", [.fixed("first", 4), .fixed("last", 4)])),
        .fixed("sandbox required", 1, note: "flag"),
        .fixed("user network", 1, note: "1 restricted, 2 open, 3 refused"),
        .fixed("default folders", 1, note: "flag"),
        .list("image folders", GuestFolders.limit, [.text("path", WireLimits.name)]),
        .list("boot folders", GuestFolders.limit, [.text("path", WireLimits.name)]),
        .list("emulators", GuestFolders.limit, [.text("path", WireLimits.name)]),
        .fixed("cordoned", 1, note: "flag"),
        .list(
            "guests", Maintenance.guestLimit,
            [
                .text("name", 64), .fixed("uuid", 16),
                .fixed("fate", 1, note: "moved 0, saved 1, stopped 2"),
            ]),
    ]

    private static var samplePolicy: HostPolicy {
        guard case .success(let peer) = MachineField.host else { fatalError("a plain name") }
        var policy = HostPolicy()
        policy.isLiveMigrationEnabled = false
        policy.liveMoves = 3
        policy.compression = .lz4
        policy.allowsAnyNetwork = false
        var network = network(0x0A4D_0000, 24)
        network.moves = 2
        policy.add(network)
        policy.peers = [peer]
        policy.memoryReserve = .mebibytes(4096)
        policy.hypervisorUser = "livemig-qemu"
        policy.hypervisorUsers = try? HypervisorUserRange(200_000, 265_535)
        policy.requiresSandbox = false
        policy.userNetworking = .refused
        policy.folders.includesDefaults = false
        policy.folders.images = ["/pool"]
        policy.folders.emulators = ["/opt/qemu/bin"]
        if case .success(let name) = MachineField.name {
            policy.maintenance.isCordoned = true
            policy.maintenance.guests = [
                Maintenance.Guest(name: name, uuid: VMUUID(.zero), fate: .saved)
            ]
        }
        return policy
    }

    static func network(_ bits: UInt32, _ prefix: Int, priority: Int = 1) -> MigrationNetwork {
        guard let subnet = Subnet(address(bits, 4), prefix: prefix) else {
            fatalError("bits behind the prefix")
        }
        return MigrationNetwork(subnet, priority: priority)
    }

    /// An address whose first four bytes are these, the others being zero.
    static func address(_ bits: UInt32, _ count: Int) -> IPAddress {
        let head = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (24 - 8 * $0)) }
        guard let address = IPAddress(bytes: head + [UInt8](repeating: 0, count: count - 4)) else {
            fatalError("4 or 16 bytes")
        }
        return address
    }
}

extension Seeded {
    mutating func network() -> MigrationNetwork {
        let base = MessageKind.address(UInt32(below(1 << 24)) << 8, flag() ? 4 : 16)
        guard let subnet = Subnet(base, prefix: 24 + below(9)) else { fatalError("zero bits") }
        return MigrationNetwork(
            subnet, priority: below(1 << 16), moves: flag() ? 1 + below(255) : nil)
    }

    mutating func hostPolicy() -> HostPolicy {
        var policy = HostPolicy()
        policy.isLiveMigrationEnabled = flag()
        policy.liveMoves = 1 + below(255)
        policy.storageMoves = 1 + below(255)
        policy.compression = MigrationPolicy.Compression.allCases[below(4)]
        policy.allowsAnyNetwork = flag()
        policy.networks = (0..<below(9)).map { _ in network() }
        policy.peers = (0..<below(9)).compactMap { _ in try? HostName(plain(64)) }
        policy.memoryReserve = flag() ? ByteCount(next()) : nil
        policy.hypervisorUser = flag() ? plain(HostPolicy.userNameLimit) : nil
        let first = HypervisorUserRange.limits.lowerBound + UInt32(below(1 << 30))
        policy.hypervisorUsers =
            flag() ? try? HypervisorUserRange(first, first + UInt32(below(1 << 16))) : nil
        policy.requiresSandbox = flag()
        policy.userNetworking = UserNetworking.allCases[below(3)]
        policy.folders.includesDefaults = flag()
        for kind in GuestFileKind.allCases {
            policy.folders[kind] = (0..<below(3)).map { _ in "/" + plain(64) }
        }
        policy.maintenance.isCordoned = flag()
        policy.maintenance.guests = (0..<below(9)).compactMap { _ in
            (try? VMName(plain(64))).map {
                Maintenance.Guest(
                    name: $0, uuid: VMUUID(bits()), fate: Maintenance.Fate.allCases[below(3)])
            }
        }
        return policy
    }
}
