import MigrationModel
import Testing

/// Two hosts, and the address that page data takes between them.
struct LaneRouteCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var source = ["10.0.0.1", "10.1.0.1", "10.2.0.1", "fd00::1"]
    var destination = ["10.0.0.2", "10.1.0.2", "10.2.0.2", "fd00::2"]
    /// What the source's policy lists, and the destination's.
    var policies: ([String], [String]) = ([], [])
    /// What the inventory lists for each.
    var inventory: ([String], [String]) = ([], [])
    /// Whether they allow any network.
    var isAny = (true, true)
    let address: String?
    /// The network that it is in, where a case has more than one that holds it.
    var network: String?

    func choose() throws -> LaneRoute? {
        func side(
            _ name: String, _ addresses: [String], _ policy: [String], _ inventory: [String],
            _ isAny: Bool
        ) throws -> LaneRoute.Side {
            var settings = HostSettings(
                policy: HostPolicy(), memoryReserve: ByteCount(0), outgoing: 0, incoming: 0,
                promised: ByteCount(0), addresses: addresses.compactMap { IPAddress($0) })
            for text in policy { settings.policy.add(try MigrationNetwork(parsing: text)) }
            settings.policy.allowsAnyNetwork = isAny
            return LaneRoute.Side(
                name: try HostName(name),
                networks: try inventory.map { try MigrationNetwork(parsing: $0) },
                settings: settings)
        }
        return try LaneRoute.best(
            from: side("alpha", source, policies.0, inventory.0, isAny.0),
            to: side("beta", destination, policies.1, inventory.1, isAny.1))
    }
}

@Suite("The route of the lanes")
struct LaneRouteTests {
    static let common: [LaneRouteCase] = [
        .init(testDescription: "nothing is listed", address: nil),
        .init(
            testDescription: "the destination's list", policies: ([], ["10.1.0.0/16"]),
            address: "10.1.0.2"),
        .init(
            testDescription: "the source's list", policies: (["10.1.0.0/16"], []),
            address: "10.1.0.2"),
        .init(
            testDescription: "the inventory's list", inventory: ([], ["10.2.0.0/16"]),
            address: "10.2.0.2"),
        .init(
            testDescription: "lower priorities first",
            policies: ([], ["10.1.0.0/16=7", "10.2.0.0/16=3"]), address: "10.2.0.2"),
        .init(
            testDescription: "the destination's priority counts",
            policies: (["10.1.0.0/16=1"], ["10.1.0.0/16=9", "10.2.0.0/16=3"]),
            address: "10.2.0.2"),
        .init(
            testDescription: "the host before the inventory", policies: ([], ["10.1.0.0/16"]),
            inventory: ([], ["10.2.0.0/16"]), address: "10.1.0.2"),
        .init(
            testDescription: "a network that the source is not in", source: ["10.0.0.1"],
            policies: ([], ["10.1.0.0/16"]), address: nil),
        .init(
            testDescription: "a network that the destination is not in", destination: ["10.0.0.2"],
            policies: ([], ["10.1.0.0/16"]), address: nil),
        .init(
            testDescription: "the next network that is common", source: ["10.0.0.1", "10.2.0.1"],
            policies: ([], ["10.1.0.0/16=1", "10.2.0.0/16=2"]), address: "10.2.0.2"),
        .init(
            testDescription: "IPv6", policies: ([], ["fd00::/8"]), address: "fd00::2"),
        .init(
            testDescription: "all addresses of a wide network", policies: ([], ["10.0.0.0/8"]),
            address: "10.0.0.2"),
        .init(
            testDescription: "the source is strict", policies: (["10.2.0.0/16=9"], []),
            inventory: ([], ["10.1.0.0/16=1"]), isAny: (false, true), address: "10.2.0.2"),
        .init(
            testDescription: "both are strict, one more than the other",
            policies: (["10.0.0.0/8"], ["10.1.0.0/16"]), isAny: (false, false),
            address: "10.1.0.2", network: "10.1.0.0/16"),
    ]

    // Broken by: page data on a network that is worse than another, or on one that a host is not in.
    @Test("the best common network", arguments: common)
    func found(route: LaneRouteCase) throws {
        let best = try route.choose()
        #expect(best?.address.description == route.address)
        if let best {
            #expect(best.network.contains(best.address))
            if let network = route.network { #expect(best.network.description == network) }
        }
    }

    static let forbidden: [LaneRouteCase] = [
        .init(
            testDescription: "the source is not in it", source: ["10.0.0.1"],
            policies: ([], ["10.1.0.0/16"]), isAny: (true, false), address: nil),
        .init(
            testDescription: "each has another", policies: (["10.1.0.0/16"], ["10.2.0.0/16"]),
            isAny: (false, false), address: nil),
        .init(
            testDescription: "the inventory does not loosen a policy",
            policies: ([], ["10.9.0.0/16"]), inventory: ([], ["10.1.0.0/16"]),
            isAny: (true, false), address: nil),
    ]

    // Broken by: page data that goes where a host does not allow it.
    @Test("no network that is allowed", arguments: forbidden)
    func refused(route: LaneRouteCase) {
        let error = #expect(throws: LivemigError.self) { try route.choose() }
        #expect(error?.code == .network)
        #expect(error?.what.contains("beta") == true)
    }
}
