/// Which network page data takes, and which address of the destination it goes to.
public struct LaneRoute: Hashable, Sendable {
    /// The network.
    public let network: Subnet
    /// The destination's address in it.
    public let address: IPAddress

    /// A host, as far as the choice depends on it.
    public struct Side: Hashable, Sendable {
        /// Its name, for messages.
        public var name: HostName
        /// The networks that the inventory lists for it.
        public var networks: [MigrationNetwork]
        /// What the host itself says.
        public var settings: HostSettings

        /// States a side.
        public init(name: HostName, networks: [MigrationNetwork], settings: HostSettings) {
            self.name = name
            self.networks = networks
            self.settings = settings
        }

        /// What it prefers, its own list first.
        var preferred: [MigrationNetwork] { settings.policy.networks + networks }
    }

    /// Chooses the best network that both hosts have an address in.
    ///
    /// Networks come by priority, which is the destination's where it lists the network, then in
    /// the order in which they are listed. A host that does not allow any network is bound to those
    /// of its own policy.
    /// - Returns: `nil` for the address that the inventory names, which serves where no network is
    ///   common and both hosts allow any.
    /// - Throws: `E-NET` when no network that is allowed is common.
    public static func best(
        from source: Side, to destination: Side
    ) throws(LivemigError) -> LaneRoute? {
        for network in ordered(destination.preferred + source.preferred)
        where source.settings.addresses.contains(where: network.subnet.contains) {
            let found = destination.settings.addresses.first { address in
                network.subnet.contains(address)
                    && [source, destination].allSatisfy {
                        $0.settings.policy.allows(address: address)
                    }
            }
            if let found { return LaneRoute(network: network.subnet, address: found) }
        }
        let strict = [source, destination].filter { !$0.settings.policy.allowsAnyNetwork }
        guard !strict.isEmpty else { return nil }
        let hosts = strict.map(\.name.text).joined(separator: " and ")
        throw LivemigError(
            .network, "no common migration network that \(hosts) would use",
            at: "\(source.name) and \(destination.name)",
            fix: "list one with livemig host settings --network, or pass --any-network")
    }

    /// By priority, each subnet once, as it is listed first.
    private static func ordered(_ networks: [MigrationNetwork]) -> [MigrationNetwork] {
        var seen: Set<Subnet> = []
        let unique = networks.filter { seen.insert($0.subnet).inserted }
        return unique.enumerated()
            .sorted { ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset) }
            .map(\.element)
    }
}
