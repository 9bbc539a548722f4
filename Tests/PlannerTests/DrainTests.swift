import MigrationModel
import Planner
import TestSupport
import Testing

@Suite("Emptying hosts")
struct DrainTests {
    // Broken by: another order than priority, size, name, or a guest without its ending.
    @Test func endingsInOrder() throws {
        var guests = [
            try Fixture.guest("small", on: "alpha", 1), try Fixture.guest("large", on: "alpha", 9),
            try Fixture.guest("first", on: "alpha", 1, priority: .high),
            try Fixture.guest("huge", on: "alpha", 40), try Fixture.guest("saved", on: "alpha", 2),
            try Fixture.guest("off", on: "alpha", 3), try Fixture.guest("lost", on: "alpha", 4),
            try Fixture.guest("device", on: "alpha", 5), try Fixture.guest("stays", on: "alpha", 6),
            try Fixture.guest("away", on: "alpha", 7), try Fixture.guest("down", on: "alpha", 8),
        ]
        guests[4].drain = DrainPolicy(.save)
        guests[5].state = .stopped
        guests[6].state = .unknown
        guests[7].obstacles = [LivemigError(.device, "host PCI device 3b:00.0 stays")]
        guests[8].drain = DrainPolicy(.leave)
        guests[10].drain = DrainPolicy(.live, fallback: .stop)
        guests[10].obstacles = [LivemigError(.cache, "cache=none cannot move")]
        let hosts = [try Fixture.host("alpha", 90), try Fixture.host("beta", 30)]
        let fleet = Fleet(
            hosts: hosts, guests: guests,
            reservations: [
                .init(guest: guests[9].uuid, host: hosts[1].name, memory: guests[9].memory)
            ])
        let plan = try DrainPlan(draining: [hosts[0].name], in: fleet)
        #expect(
            plan.steps.map { "\($0.guest.name) \($0.ending)" } == [
                "first moves live to beta, 4.0 stars",
                "huge cannot move: E-NOTARGET no host can take huge: beta has 22 GiB free after "
                    + "its reserve, 40 GiB are needed; free 18 GiB on beta",
                "large moves live to beta, 3.0 stars",
                "down is powered off, since it cannot move: E-CACHE cache=none cannot move",
                "away is on its way to beta", "stays stays, by its policy",
                "device cannot move: E-DEVICE host PCI device 3b:00.0 stays; shut device down, or "
                    + "leave it on alpha",
                "lost cannot move: E-VMSTATE nobody could be asked about lost; livemig status lost",
                "off does not run", "saved is saved, by its policy",
                "small moves live to beta, 3.0 stars",
            ])
        #expect(
            plan.summary == "11 VMs, 3 move live, 1 is on its way, 1 is saved, 1 is powered off, "
                + "1 stays, 1 is stopped, 3 cannot move")
        #expect(!plan.empties)
    }

    // Broken by: a host that is said to become empty, although nobody knows whether a VM of it runs.
    @Test func damagedMachinesKeepAHostFromBeingEmpty() throws {
        let hosts = [try Fixture.host("alpha", 90), try Fixture.host("beta", 30)]
        let damaged = DamagedMachine(
            name: try VMName("web2"), uuid: nil, error: LivemigError(.journalCorrupt, "no slot"))
        let guest = try Fixture.guest("web1", on: "alpha", 1)
        let fleet = Fleet(
            hosts: hosts, guests: [guest], damaged: [hosts[0].name: [damaged]])
        let plan = try DrainPlan(draining: [hosts[0].name], in: fleet)
        #expect(plan.damaged == [damaged])
        #expect(plan.summary == "2 VMs, 1 moves live, 1 cannot move")
        #expect(!plan.empties)
        #expect(try DrainPlan(draining: [hosts[1].name], in: fleet).empties)
    }

    // Broken by: a plan for a host that nobody knows.
    @Test func unknownHost() throws {
        let error = #expect(throws: LivemigError.self) {
            try DrainPlan(draining: [try HostName("nowhere")], in: Fleet(hosts: [], guests: []))
        }
        #expect(error?.code == .noHost)
    }

    // Broken by: a guest that is listed twice being moved twice, or taking memory twice.
    @Test func listedTwice() throws {
        let hosts = [try Fixture.host("alpha", 8), try Fixture.host("beta", 5)]
        let web = try Fixture.guest("web1", on: "alpha", 4)
        let plan = try DrainPlan(
            draining: [hosts[0].name, hosts[0].name], in: Fleet(hosts: hosts, guests: [web, web]))
        #expect(plan.summary == "1 VM, 1 moves live")
        #expect(plan.hosts.map(\.text) == ["alpha"])
        #expect(plan.empties)
    }

    // Broken by: moving guests off a host that takes part in no migrations.
    @Test func aDisabledSource() throws {
        var alpha = try Fixture.host("alpha", 8)
        alpha.allowsLiveMigration = false
        let fleet = Fleet(
            hosts: [alpha, try Fixture.host("beta", 8)],
            guests: [try Fixture.guest("web1", on: "alpha", 1)])
        let plan = try DrainPlan(draining: [alpha.name], in: fleet)
        #expect(
            plan.steps.map(\.ending.description) == [
                "cannot move: E-DISABLED live migration is disabled on alpha; enable it there, "
                    + "or shut web1 down"
            ])
    }

    /// A caller's check that depends on names only.
    private static func compatibility(
        _ guest: Fleet.Guest, _ host: Fleet.Host
    ) -> LivemigError? {
        let sum = (guest.name.text + host.name.text).utf8.reduce(0) { $0 + Int($1) }
        return sum % 7 == 0 ? LivemigError(.machine, "no such machine") : nil
    }

    // Broken by: a host that is not the best of all, once earlier guests are placed; memory that is
    // promised twice; or a plan that depends on the order in which things are listed.
    @Test(
        "random fleets get what a look at every host gives",
        arguments: 1...300 as ClosedRange<UInt64>)
    func equalsTheExhaustiveChoice(seed: UInt64) throws {
        var random = RandomFleet(seed)
        var fleet = try random.make()
        let drained = fleet.hosts.map(\.name).filter { _ in random.chance(40) }
        let plan = try DrainPlan(
            draining: drained, in: fleet, compatibility: Self.compatibility)
        var shuffled = fleet
        shuffled.guests.shuffle(using: &random.random)
        shuffled.hosts.shuffle(using: &random.random)
        #expect(
            try DrainPlan(
                draining: drained.reversed(), in: shuffled, compatibility: Self.compatibility)
                == plan)
        let affected = fleet.guests.filter { drained.contains($0.host) }
        #expect(Set(plan.steps.map(\.guest)) == Set(affected))
        for index in fleet.hosts.indices where drained.contains(fleet.hosts[index].name) {
            fleet.hosts[index].isCordoned = true
        }
        for step in plan.steps {
            switch step.ending {
            case .move(let host, let rating):
                let best = Placement(
                    of: step.guest, in: fleet, compatibility: Self.compatibility
                ).candidates.first
                #expect(best?.host == host && best?.rating == rating)
                fleet.reservations.append(
                    .init(guest: step.guest.uuid, host: host, memory: step.guest.memory))
                #expect(fleet.free(on: host) >= 0, "too much is promised on \(host)")
            case .blocked(let error) where error.code == .noTarget:
                let placement = Placement(
                    of: step.guest, in: fleet, compatibility: Self.compatibility)
                #expect(placement.candidates.isEmpty)
            default: break
            }
        }
    }

    // Broken by: guests that should be apart put together while there is room, or beside each other
    // put apart.
    @Test func groups() throws {
        let hosts = try ["alpha", "beta", "gamma", "delta"].map { try Fixture.host($0, 64) }
        let apart = PlacementRules(antiAffinity: .init("db"))
        let near = PlacementRules(affinity: "web")
        let guests =
            try (1...3).map { try Fixture.guest("db\($0)", on: "alpha", 4, rules: apart) }
            + (1...3).map { try Fixture.guest("web\($0)", on: "alpha", 4, rules: near) }
        let plan = try DrainPlan(
            draining: [hosts[0].name], in: Fleet(hosts: hosts, guests: guests))
        let targets = plan.steps.compactMap { step -> String? in
            guard case .move(let host, _) = step.ending else { return nil }
            return host.text
        }
        #expect(targets == ["beta", "delta", "gamma", "beta", "beta", "beta"])
    }
}
