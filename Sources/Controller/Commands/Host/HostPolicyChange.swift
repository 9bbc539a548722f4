import MigrationModel

/// What of a host's policy shall become different.
struct HostPolicyChange: Hashable, Sendable {
    /// A memory reserve as an operator states it.
    enum MemoryReserve: Hashable, Sendable {
        case byDefault
        case size(ByteCount)
    }

    /// A user of hypervisors as an operator states it.
    enum HypervisorUser: Hashable, Sendable {
        case byDefault
        case named(String)
        case range(HypervisorUserRange)
    }

    /// How many moves a network takes at a time.
    struct NetworkMoves: Hashable, Sendable {
        let subnet: Subnet
        /// `nil` for as many as there are.
        let limit: Int?
    }

    var isEnabled: Bool?
    var liveMoves: Int?
    var storageMoves: Int?
    var memoryReserve: MemoryReserve?
    var compression: MigrationPolicy.Compression?
    var hypervisorUser: HypervisorUser?
    var requiresSandbox: Bool?
    var userNetworking: UserNetworking?
    var folders = GuestFolderChange()
    var networks: [MigrationNetwork] = []
    var removedNetworks: [Subnet] = []
    var networkMoves: [NetworkMoves] = []
    var allowsAnyNetwork: Bool?
    var peers: [HostName] = []
    var removedPeers: [HostName] = []
    var allowsAllPeers = false

    /// Makes the change.
    /// - Throws: `E-USAGE` for what is not listed or cannot be removed.
    func apply(to policy: inout HostPolicy) throws(LivemigError) {
        policy.isLiveMigrationEnabled = isEnabled ?? policy.isLiveMigrationEnabled
        policy.liveMoves = liveMoves ?? policy.liveMoves
        policy.storageMoves = storageMoves ?? policy.storageMoves
        switch memoryReserve {
        case nil: break
        case .byDefault: policy.memoryReserve = nil
        case .size(let size): policy.memoryReserve = size
        }
        policy.compression = compression ?? policy.compression
        switch hypervisorUser {
        case nil: break
        case .byDefault: (policy.hypervisorUser, policy.hypervisorUsers) = (nil, nil)
        case .named(let name): (policy.hypervisorUser, policy.hypervisorUsers) = (name, nil)
        case .range(let range): (policy.hypervisorUser, policy.hypervisorUsers) = (nil, range)
        }
        policy.requiresSandbox = requiresSandbox ?? policy.requiresSandbox
        policy.userNetworking = userNetworking ?? policy.userNetworking
        try folders.apply(to: &policy.folders)
        try applyNetworks(to: &policy)
        policy.allowsAnyNetwork = allowsAnyNetwork ?? policy.allowsAnyNetwork
        try applyPeers(to: &policy)
    }

    /// A network that gets another priority keeps its limit.
    private func applyNetworks(to policy: inout HostPolicy) throws(LivemigError) {
        for subnet in removedNetworks {
            try Self.require(subnet, in: policy.networks.map(\.subnet), "network")
            policy.networks.removeAll { $0.subnet == subnet }
        }
        for var network in networks {
            network.moves = policy.networks.first { $0.subnet == network.subnet }?.moves
            policy.add(network)
        }
        for change in networkMoves {
            try Self.require(change.subnet, in: policy.networks.map(\.subnet), "network")
            for index in policy.networks.indices
            where policy.networks[index].subnet == change.subnet {
                policy.networks[index].moves = change.limit
            }
        }
    }

    /// An empty list would allow all peers, which nobody asks for by removing one.
    private func applyPeers(to policy: inout HostPolicy) throws(LivemigError) {
        if allowsAllPeers { policy.peers = [] }
        for peer in removedPeers {
            try Self.require(peer, in: policy.peers, "peer")
            policy.peers.removeAll { $0 == peer }
        }
        for peer in peers where !policy.peers.contains(peer) { policy.peers.append(peer) }
        guard removedPeers.isEmpty || !policy.peers.isEmpty else {
            throw LivemigError(
                .usage, "no peer would be left, which stands for all of them",
                fix: "pass --all-peers to allow all, or --disable to allow none")
        }
        policy.peers.sort { $0.text < $1.text }
    }

    private static func require<Element: Equatable>(
        _ element: Element, in list: [Element], _ what: String
    ) throws(LivemigError) {
        guard !list.contains(element) else { return }
        let known = list.map { "\($0)" }.joined(separator: " ")
        throw LivemigError(
            .usage, "\(what) \(element) is not listed", at: known.isEmpty ? "" : "listed: \(known)")
    }
}
