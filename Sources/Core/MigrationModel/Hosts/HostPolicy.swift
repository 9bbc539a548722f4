/// What a host allows and prefers in moves, whichever controller asks for them.
public struct HostPolicy: Hashable, Sendable {
    /// Whether guests may leave and come live.
    public var isLiveMigrationEnabled = true
    /// The most live moves at a time, counted apart for those that leave and those that come.
    public var liveMoves = 2
    /// The most moves of disks at a time.
    public var storageMoves = 2
    /// Networks that page data prefers, best first.
    public var networks: [MigrationNetwork] = []
    /// Whether page data may go another way where none of the networks fits.
    public var allowsAnyNetwork = true
    /// The hosts that guests may go to and come from; empty for all that are trusted.
    public var peers: [HostName] = []
    /// How pages of guests that leave are compressed, unless the move says otherwise.
    public var compression: MigrationPolicy.Compression = .auto
    /// Memory that guests from elsewhere leave to the host; `nil` for the default.
    public var memoryReserve: ByteCount?
    /// The name of the user without privileges that hypervisors run as; `nil` for the agent's own
    /// user.
    public var hypervisorUser: String?
    /// The user numbers of hypervisors, one for each VM, instead of one user for all.
    public var hypervisorUsers: HypervisorUserRange?
    /// Whether a QEMU without a system call filter is refused.
    public var requiresSandbox = true
    /// What guests reach by interfaces of type `user`.
    public var userNetworking = UserNetworking.restricted
    /// Where guests may have files.
    public var folders = GuestFolders()
    /// Whether the host is being emptied, and who has left.
    public var maintenance = Maintenance()

    /// How many moves at a time a host can be told to allow.
    public static let moveLimits = 1...255
    /// The most networks.
    public static let networkLimit = 64
    /// The most peers that can be named.
    public static let peerLimit = 1024
    /// The largest reserve: no guest is larger.
    public static let reserveLimit = ByteCount(16 << 40)
    /// The longest name of a user, in bytes (useradd(8)).
    public static let userNameLimit = 32

    /// The defaults.
    public init() {}

    /// The larger of 512 MiB and a twentieth of the memory: page tables, QEMU beside guest RAM and
    /// the page cache of a busy host take so much that its guests would swap with less.
    public static func defaultReserve(of total: ByteCount) -> ByteCount {
        max(.mebibytes(512), ByteCount(total.bytes / 20))
    }

    /// The reserve of a host with so much memory.
    public func memoryReserve(of total: ByteCount) -> ByteCount {
        memoryReserve ?? Self.defaultReserve(of: total)
    }

    /// Lists a network in its place; one of the same subnet is replaced.
    public mutating func add(_ network: MigrationNetwork) {
        networks.removeAll { $0.subnet == network.subnet }
        let place = networks.firstIndex { $0.priority > network.priority }
        networks.insert(network, at: place ?? networks.endIndex)
    }

    /// Checks every value.
    /// - Throws: `E-RANGE` for numbers, `E-USAGE` for what contradicts itself.
    public func check() throws(LivemigError) {
        try Self.check(moves: liveMoves, "live")
        try Self.check(moves: storageMoves, "storage")
        if let memoryReserve, memoryReserve > Self.reserveLimit {
            throw LivemigError(.range, "a reserve of \(memoryReserve) is above 16 TiB")
        }
        if let hypervisorUser { try Self.check(user: hypervisorUser) }
        guard hypervisorUser == nil || hypervisorUsers == nil else {
            throw LivemigError(
                .usage, "one user for all hypervisors and a user for each contradict each other",
                fix: "keep the range of users, which separates guests from each other")
        }
        try folders.check()
        for network in networks {
            try MigrationNetwork.check(priority: network.priority)
            if let moves = network.moves { try MigrationNetwork.check(moves: moves) }
        }
        try maintenance.check()
        try Self.checkList(networks.map(\.subnet), "network", limit: Self.networkLimit)
        try Self.checkList(peers, "peer", limit: Self.peerLimit)
        guard allowsAnyNetwork || !networks.isEmpty else {
            throw LivemigError(
                .usage, "no network is left for page data",
                fix: "list a migration network, or allow any")
        }
    }

    /// A number of moves from 1 to 255.
    /// - Throws: `E-RANGE`.
    public static func check(moves: Int, _ kind: String) throws(LivemigError) {
        guard moveLimits.contains(moves) else {
            throw LivemigError(
                .range, "\(moves) \(kind) moves at a time are outside 1 to 255",
                fix: "disable live migration to allow none")
        }
    }

    /// The name of a user: letters, digits, `_`, `-` and `.`, no digit or `-` first (useradd(8)).
    /// - Throws: `E-USAGE`.
    public static func check(user name: String) throws(LivemigError) {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        let first = name.first.map { !$0.isNumber && $0 != "-" && $0 != "." } ?? false
        guard isPlain, first, name.utf8.count <= userNameLimit else {
            throw LivemigError(.usage, "\(name.escaped()) is not the name of a user")
        }
    }

    private static func checkList<Element: Hashable>(
        _ elements: [Element], _ what: String, limit: Int
    ) throws(LivemigError) {
        guard elements.count <= limit else {
            throw LivemigError(.range, "\(elements.count) \(what)s are more than \(limit)")
        }
        var seen: Set<Element> = []
        for element in elements where !seen.insert(element).inserted {
            throw LivemigError(.usage, "\(what) \(element) is there twice")
        }
    }
}

extension HostPolicy {
    /// Insists that a guest may go to a peer, or come from it.
    /// - Throws: `E-DISABLED`, `E-PEER`.
    public func admit(peer: String, at place: String) throws(LivemigError) {
        guard isLiveMigrationEnabled else {
            throw LivemigError(
                .disabled, "live migration is disabled on this host", at: place,
                fix: "livemig host settings --enable allows it")
        }
        guard peers.isEmpty || peers.contains(where: { $0.text == peer }) else {
            throw LivemigError(
                .peer, "host \(peer.escaped()) is not among the peers that this host allows",
                at: place, fix: "livemig host settings --allow-peer allows it")
        }
    }

    /// Whether page data may be sent to an address, or arrive at it; `nil` for one that is not
    /// known.
    public func allows(address: IPAddress?) -> Bool {
        if allowsAnyNetwork { return true }
        guard let address else { return false }
        return networks.contains { $0.subnet.contains(address) }
    }

    /// Insists on an address that page data may take.
    /// - Throws: `E-NET`.
    public func admit(address: IPAddress?, at place: String) throws(LivemigError) {
        guard !allows(address: address) else { return }
        let shown = address.map { "address \($0)" } ?? "an address that is not known"
        throw LivemigError(
            .network, "page data may not take \(shown)", at: place,
            fix: "its networks are \(networks.map(\.subnet.description).joined(separator: " "))")
    }
}

/// A host's policy, and what it comes to on that host now.
public struct HostSettings: Hashable, Sendable {
    /// The policy.
    public var policy: HostPolicy
    /// The memory reserve in effect.
    public var memoryReserve: ByteCount
    /// Live moves that leave the host now.
    public var outgoing: Int
    /// Live moves that come to it now.
    public var incoming: Int
    /// Memory of guests that are on their way here, populated or not.
    public var promised: ByteCount
    /// The host's addresses that peers can use.
    public var addresses: [IPAddress]

    /// States settings.
    public init(
        policy: HostPolicy, memoryReserve: ByteCount, outgoing: Int, incoming: Int,
        promised: ByteCount, addresses: [IPAddress]
    ) {
        self.policy = policy
        self.memoryReserve = memoryReserve
        self.outgoing = outgoing
        self.incoming = incoming
        self.promised = promised
        self.addresses = addresses
    }
}
