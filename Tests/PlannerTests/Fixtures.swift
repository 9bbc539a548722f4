import MigrationModel
import Planner
import TestSupport

/// Hosts and guests for tests, named in a line.
enum Fixture {
    /// A host with some GiB of memory and 16 processors.
    static func host(
        _ name: String, _ gibibytes: UInt64, reserve: UInt64 = 0, processors: Int = 16
    ) throws -> Fleet.Host {
        Fleet.Host(
            name: try HostName(name), memory: gib(gibibytes), reserve: gib(reserve),
            processors: processors)
    }

    /// A running guest with some GiB of memory and 2 vCPUs.
    static func guest(
        _ name: String, on host: String, _ gibibytes: UInt64, priority: Priority = .medium,
        rules: PlacementRules = PlacementRules()
    ) throws -> Fleet.Guest {
        Fleet.Guest(
            name: try VMName(name), uuid: uuid(name), host: try HostName(host),
            memory: gib(gibibytes), vcpus: 2, priority: priority, rules: rules)
    }

    static func gib(_ count: UInt64) -> ByteCount { .mebibytes(count * 1024) }

    /// The same UUID for the same name.
    static func uuid(_ name: String) -> VMUUID {
        VMUUID(
            Bits128(
                high: 1, low: name.utf8.reduce(7) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }))
    }
}

/// Small fleets that differ in everything the planner looks at.
struct RandomFleet {
    var random: Seeded
    let hostLimit: Int

    init(_ seed: UInt64, hostLimit: Int = 8) {
        random = Seeded(seed)
        self.hostLimit = hostLimit
    }

    mutating func chance(_ percent: Int) -> Bool { random.below(100) < percent }

    mutating func make() throws -> Fleet {
        let hosts = try (0..<(1 + random.below(hostLimit))).map { try makeHost($0) }
        let guests = try (0..<random.below(5 * hosts.count)).map { try makeGuest($0, hosts) }
        var reservations: [Fleet.Reservation] = []
        for guest in guests where chance(8) {
            reservations.append(
                Fleet.Reservation(
                    guest: guest.uuid, host: hosts[random.below(hosts.count)].name,
                    memory: guest.memory))
        }
        // The order in which hosts and guests are listed must not matter.
        return Fleet(
            hosts: hosts.shuffled(using: &random), guests: guests.shuffled(using: &random),
            reservations: reservations)
    }

    private mutating func makeHost(_ number: Int) throws -> Fleet.Host {
        var host = try Fixture.host(
            "h\(number)", UInt64(8 + 8 * random.below(6)), reserve: UInt64(random.below(4)),
            processors: 1 + random.below(8))
        host.committed = Fixture.gib(UInt64(random.below(4)))
        host.isCordoned = chance(12)
        host.allowsLiveMigration = !chance(8)
        return host
    }

    private mutating func makeGuest(_ number: Int, _ hosts: [Fleet.Host]) throws -> Fleet.Guest {
        let host = hosts[random.below(hosts.count)]
        var guest = try Fixture.guest("g\(number)", on: host.name.text, UInt64(random.below(9)))
        guest.vcpus = 1 + random.below(8)
        guest.priority = [.low, .medium, .high][random.below(3)]
        if chance(15) { guest.state = [.paused, .stopped, .unknown, .inTransfer][random.below(4)] }
        if chance(25) {
            guest.drain = DrainPolicy(
                DrainPolicy.Action.allCases[random.below(4)],
                fallback: [nil, .save, .stop, .leave][random.below(4)])
        }
        if chance(8) { guest.obstacles = [LivemigError(.device, "a device stays where it is")] }
        if chance(30) { guest.rules = makeRules(hosts) }
        return guest
    }

    private mutating func makeRules(_ hosts: [Fleet.Host]) -> PlacementRules {
        var rules = PlacementRules()
        if chance(40) {
            rules.preferred = hosts.map(\.name).shuffled(using: &random).prefix(3).map { $0 }
        }
        if chance(30) { rules.forbidden = [hosts[random.below(hosts.count)].name] }
        if chance(40) { rules.affinity = "near\(random.below(2))" }
        if chance(50) {
            rules.antiAffinity = PlacementRules.AntiAffinity(
                "far\(random.below(2))", isHard: chance(50))
        }
        return rules
    }
}

extension Fleet {
    /// Memory that is free on a host, below zero when too much is promised; by another way than the
    /// planner's.
    func free(on name: HostName) -> Int64 {
        guard let host = hosts.first(where: { $0.name == name }) else { return 0 }
        let taken =
            guests.filter { $0.host == name && $0.state != .stopped }.map(\.memory.bytes)
            + reservations.filter { $0.host == name }.map(\.memory.bytes)
        return Int64(host.memory.bytes) - Int64(host.reserve.bytes) - Int64(host.committed.bytes)
            - taken.reduce(0) { $0 + Int64($1) }
    }
}
