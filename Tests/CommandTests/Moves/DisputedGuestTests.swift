import MigrationModel
import Planner
import Testing

@testable import Orchestrator

/// Guests that several hosts own, in the plans of drains.
@Suite struct DisputedGuestTests {
    private static func member(
        _ name: String, _ machines: [MachineSummary]
    ) throws -> FleetSurvey.Member {
        let settings = HostSettings(
            policy: HostPolicy(), memoryReserve: ByteCount(0), outgoing: 0, incoming: 0,
            promised: ByteCount(0), addresses: [])
        return FleetSurvey.Member(side: try side(name, machines), settings: settings)
    }

    // Breaks when a host that lies about a guest takes it out of the plan of another's drain.
    @Test(arguments: [["alpha", "beta"], ["beta", "alpha"]])
    func ownersAreNamed(_ order: [String]) throws {
        let members = try order.map {
            try Self.member($0, [machine(), machine(uuid: 2, epoch: 7)])
        }
        let other = try Self.member("gamma", [machine(name: "web9", uuid: 3)])
        let fleet = FleetSurvey(members: members + [other], silent: [:]).fleet()
        #expect(fleet.guests.map(\.name.text) == ["web9"])
        for name in order {
            let damaged = try #require(fleet.damaged[try HostName(name)])
            #expect(damaged.count == 2)
            #expect(damaged.allSatisfy { $0.error.what.contains("alpha") })
            #expect(damaged.allSatisfy { $0.error.what.contains("beta") })
        }
        #expect(try fleet.damaged[HostName("gamma")] == [])
    }

    // Breaks when a guest in the middle of a hand-over counts as one of two owners.
    @Test func oneOwnerIsPlanned() throws {
        let (alpha, beta) = (
            try Self.member("alpha", [machine(right: "INT")]),
            try Self.member("beta", [machine(right: "ARM")])
        )
        let gone = try Self.member("gamma", [machine(right: "GONE")])
        let fleet = FleetSurvey(members: [alpha, beta, gone], silent: [:]).fleet()
        #expect(fleet.guests.map(\.host.text) == ["alpha"])
        #expect(fleet.damaged.values.joined().isEmpty)
    }
}
