import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guest policies and moves.
@Suite(.serialized) struct GuestPolicyMoveTests {
    private static let wished = GuestPolicy(priority: .high)

    private static func change(_ summary: MachineSummary, on host: TestHost) throws {
        let name = try VMName(summary.name)
        _ = try host.agent().request(
            ChangeGuestPolicy(name: name, base: summary.policy, policy: wished),
            for: MachineMessage.self)
    }

    // Breaks when a policy that is changed while a move is prepared is lost with the move.
    @Test(.timeLimit(.minutes(1))) func changedBetweenTheHosts() throws {
        let shuttle = try Shuttle()
        let (source, destination) = (shuttle.source, shuttle.destination)
        let move = try shuttle.hosts.begin(from: source, to: destination) { shown in
            try Self.change(shown, on: source)
        }
        let error = #expect(throws: LivemigError.self) { _ = try move.finish() }
        #expect(error?.code == .busy && error?.fullSlots == nil)
        #expect(error?.guest?.state == .running)
        try move.source.close()
        try move.destination.close()
        try expectSoon(within: .seconds(10)) { destination.leftovers == [] }

        let next = try shuttle.hosts.begin(from: source, to: destination)
        _ = try next.finish()
        try next.close()
        #expect(try shuttle.hosts.summary(on: destination).policy == Self.wished)
    }

    // Breaks when a change that was made from what is no longer so takes another one back.
    @Test(.timeLimit(.minutes(1))) func overtaken() throws {
        let shuttle = try Shuttle()
        let shown = try shuttle.hosts.summary(on: shuttle.source)
        try Self.change(shown, on: shuttle.source)
        let error = #expect(throws: LivemigError.self) {
            try Self.change(shown, on: shuttle.source)
        }
        #expect(error?.code == .busy)
        #expect(try shuttle.hosts.summary(on: shuttle.source).policy == Self.wished)
    }
}
