import MigrationModel
import Planner
import Testing

@testable import Orchestrator

/// The networks that the moves of a plan will take.
@Suite("Networks of planned moves")
struct RoutedMovesTests {
    /// A host with an address in each of two networks.
    private static func member(
        _ name: String, _ number: Int, address: String? = nil, policy: [MigrationNetwork] = [],
        inventory: [MigrationNetwork] = [], isAny: Bool = true
    ) throws -> FleetSurvey.Member {
        let addresses = ["10.0.0.\(number)", "10.7.0.\(number)"]
        var settings = HostSettings(
            policy: HostPolicy(), memoryReserve: ByteCount(0), outgoing: 0, incoming: 0,
            promised: ByteCount(0), addresses: addresses.compactMap { IPAddress($0) })
        settings.policy.networks = policy
        settings.policy.allowsAnyNetwork = isAny
        var known = try side(name)
        known = MoveSide(
            host: HostRecord(
                name: try HostName(name), address: address ?? addresses[0], hostKeys: [],
                migrationNetworks: inventory), facts: known.facts, MachineList())
        return FleetSurvey.Member(side: known, settings: settings)
    }

    private static func network(
        from source: FleetSurvey.Member, to destination: FleetSurvey.Member,
        beside others: [FleetSurvey.Member] = [], by path: MigrationPolicy.Path = .direct
    ) throws -> String? {
        let survey = FleetSurvey(members: [source, destination] + others, silent: [:])
        let move = MoveQueue.Move(
            guest: try VMName("web1"), uuid: VMUUID(.zero), from: source.side.host.name,
            to: destination.side.host.name)
        return survey.routed([move], by: path).first?.network
    }

    // Breaks when a move is counted on another network than the one that its page data takes.
    @Test("A move counts on the network of its page data")
    func networks() throws {
        let fast = MigrationNetwork(try Subnet("10.7.0.0/16"), priority: 3, moves: 1)
        let narrow = MigrationNetwork(try Subnet("10.0.0.0/24"), moves: 1)
        let wide = MigrationNetwork(try Subnet("10.0.0.0/8"), priority: 9)
        let (alpha, beta) = (try Self.member("alpha", 1), try Self.member("beta", 2))
        #expect(try Self.network(from: alpha, to: beta) == nil)
        let listing = try Self.member("beta", 2, policy: [fast])
        #expect(try Self.network(from: alpha, to: listing) == "10.7.0.0/16")
        #expect(try Self.network(from: listing, to: alpha) == "10.7.0.0/16")
        let listed = try Self.member("beta", 2, inventory: [fast])
        #expect(try Self.network(from: alpha, to: listed) == "10.7.0.0/16")
        // The inventory's address is in networks that a third host lists, or has a name.
        let third = try Self.member("gamma", 3, policy: [wide, narrow])
        #expect(try Self.network(from: alpha, to: beta, beside: [third]) == "10.0.0.0/24")
        let named = try Self.member("beta", 2, address: "beta.example")
        #expect(try Self.network(from: alpha, to: named, beside: [third]) == nil)
        // What this machine relays goes where the inventory says.
        #expect(
            try Self.network(from: alpha, to: listing, beside: [third], by: .relay)
                == "10.0.0.0/24")
        // A move that no network allows is refused elsewhere.
        let strict = try Self.member(
            "beta", 2, policy: [.init(try Subnet("10.9.0.0/16"))], isAny: false)
        #expect(try Self.network(from: alpha, to: strict) == nil)
    }
}
