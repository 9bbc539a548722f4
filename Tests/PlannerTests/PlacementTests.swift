import MigrationModel
import Planner
import TestSupport
import Testing

@Suite("Where a guest can go")
struct PlacementTests {
    // Broken by: a hard reason that is not found, or words that do not say what stands in the way.
    @Test func refusals() throws {
        var rules = PlacementRules(forbidden: [try HostName("forbidden")])
        rules.antiAffinity = PlacementRules.AntiAffinity("db", isHard: true)
        let web = try Fixture.guest("web1", on: "alpha", 16, rules: rules)
        var other = try Fixture.guest("db2", on: "apart", 1)
        other.rules.antiAffinity = PlacementRules.AntiAffinity("db")
        var hosts = try ["alpha", "apart", "cordoned", "disabled", "forbidden", "other-cpu"].map {
            try Fixture.host($0, 64)
        }
        hosts[2].isCordoned = true
        hosts[3].allowsLiveMigration = false
        hosts.append(try Fixture.host("small", 12, reserve: 3))
        let fleet = Fleet(hosts: hosts.reversed(), guests: [other, web])
        let placement = Placement(of: web, in: fleet) { _, host in
            host.name.text == "other-cpu" ? LivemigError(.machine, "no q35 there") : nil
        }
        #expect(placement.candidates.isEmpty)
        #expect(
            placement.exclusions.map(\.words) == [
                "alpha runs it already",
                "apart has 1 guest of group \"db\", which must be apart", "cordoned is cordoned",
                "disabled has live migration disabled", "forbidden is forbidden by its rules",
                "other-cpu cannot run it: no q35 there",
                "small has 9.0 GiB free after its reserve, 16 GiB are needed",
            ])
        let error = #expect(throws: LivemigError.self) { try placement.choose() }
        #expect(error?.code == .noTarget)
        #expect(
            error?.explanation == """
                no host can take web1: apart has 1 guest of group "db", which must be apart, \
                cordoned is cordoned, disabled has live migration disabled, 3 more hosts cannot \
                either; free 7.0 GiB on small, or resume cordoned, or enable live migration on \
                disabled, or change the placement rules of web1
                """)
    }

    // Broken by: an error that promises help where none is.
    @Test func aloneInTheFleet() throws {
        let web = try Fixture.guest("web1", on: "alpha", 1)
        let fleet = Fleet(hosts: [try Fixture.host("alpha", 4)], guests: [web])
        let error = #expect(throws: LivemigError.self) {
            try Placement(of: web, in: fleet).choose()
        }
        #expect(
            error?.description
                == "error[E-NOTARGET]: no host can take web1: there is no other host; add a host")
    }

    // Broken by: stars that do not follow from what is said beside them.
    @Test func ratingInWords() throws {
        var web = try Fixture.guest("web1", on: "alpha", 8)
        var hosts = try ["alpha", "beta", "gamma"].map { try Fixture.host($0, 32) }
        hosts[1].committed = Fixture.gib(8)
        let plain = Placement(of: web, in: Fleet(hosts: hosts, guests: [web]))
        #expect(
            plain.candidates.map { "\($0.host) \($0.rating)" } == [
                "gamma 4.0 stars: 24 GiB of 32 GiB stay free (2.5 of 3.3), "
                    + "2 vCPUs on 16 processors (1.6 of 1.7)",
                "beta 3.5 stars: 16 GiB of 32 GiB stay free (1.7 of 3.3), "
                    + "2 vCPUs on 16 processors (1.6 of 1.7)",
            ])
        web.rules = PlacementRules(
            preferred: [try HostName("zeta"), try HostName("beta")], affinity: "web",
            antiAffinity: PlacementRules.AntiAffinity("db"))
        var other = try Fixture.guest("db1", on: "beta", 1)
        other.rules = PlacementRules(affinity: "web", antiAffinity: .init("db"))
        let ruled = Placement(of: web, in: Fleet(hosts: hosts, guests: [web, other]))
        #expect(
            ruled.candidates.map { "\($0.host) \($0.rating)" } == [
                "beta 3.5 stars: 15 GiB of 32 GiB stay free (0.4 of 0.8), "
                    + "4 vCPUs on 16 processors (0.4 of 0.4), "
                    + "preferred host number 2 (1.2 of 1.5), "
                    + "beside 1 guest of group \"web\" (1.2 of 1.2), "
                    + "not apart from 1 guest of group \"db\" (0.6 of 1.2)",
                "gamma 2.0 stars: 24 GiB of 32 GiB stay free (0.6 of 0.8), "
                    + "2 vCPUs on 16 processors (0.4 of 0.4), "
                    + "not a preferred host (0.0 of 1.5), "
                    + "guests of group \"web\" are elsewhere (0.0 of 1.2), "
                    + "apart from group \"db\" (1.2 of 1.2)",
            ])
    }

    // Broken by: a tie that is not broken by name, or a runner-up before the best.
    @Test func tiesAreBrokenByName() throws {
        let web = try Fixture.guest("web1", on: "alpha", 8)
        let hosts = try ["delta", "alpha", "gamma", "beta"].map { try Fixture.host($0, 32) }
        let placement = Placement(of: web, in: Fleet(hosts: hosts, guests: [web]))
        #expect(placement.candidates.map(\.host.text) == ["beta", "delta", "gamma"])
        #expect(try placement.choose().host.text == "beta")
    }

    // Broken by: a hard rule that only holds for the guest that moves.
    @Test(
        "one of two guests says that they must be apart",
        arguments: [(false, false, 1), (true, false, 0), (false, true, 0), (true, true, 0)])
    func hardRules(moves: Bool, isThere: Bool, candidates: Int) throws {
        var (web, other) = (
            try Fixture.guest("web1", on: "alpha", 1), try Fixture.guest("web2", on: "beta", 1)
        )
        web.rules.antiAffinity = .init("web", isHard: moves)
        other.rules.antiAffinity = .init("web", isHard: isThere)
        let hosts = try ["alpha", "beta"].map { try Fixture.host($0, 8) }
        let placement = Placement(of: web, in: Fleet(hosts: hosts, guests: [web, other]))
        #expect(placement.candidates.count == candidates)
    }

    // Broken by: memory of a move in flight that is promised again.
    @Test func reservationsCount() throws {
        let web = try Fixture.guest("web1", on: "alpha", 8)
        let mail = try Fixture.guest("mail", on: "alpha", 8)
        let hosts = [try Fixture.host("alpha", 64), try Fixture.host("beta", 12)]
        let fleet = Fleet(
            hosts: hosts, guests: [web, mail],
            reservations: [
                Fleet.Reservation(
                    guest: mail.uuid, host: hosts[1].name, memory: mail.memory)
            ])
        let refused = Placement(of: web, in: fleet).exclusions.last
        #expect(
            refused?.words == "beta has 4.0 GiB free after its reserve, 8.0 GiB are needed")
    }

    // Broken by: sizes from outside that trap, wrap round or leave room where there is none.
    @Test func absurdSizes() throws {
        var host = try Fixture.host("beta", 1, processors: .max)
        host.memory = ByteCount(.max)
        host.reserve = ByteCount(1)
        var guests = try (0..<4).map { try Fixture.guest("g\($0)", on: "beta", 1) }
        for index in guests.indices {
            guests[index].memory = ByteCount(.max)
            guests[index].vcpus = .max - index
        }
        let web = try Fixture.guest("web1", on: "alpha", 0)
        for count in 0...4 {
            let fleet = Fleet(hosts: [host], guests: Array(guests.prefix(count)))
            let placement = Placement(of: web, in: fleet)
            #expect(placement.candidates.count == (count == 0 ? 1 : 0))
        }
        host.reserve = ByteCount(.max)
        host.processors = -5
        let full = Placement(of: web, in: Fleet(hosts: [host], guests: []))
        #expect(full.candidates.map(\.rating.stars) == [0])
    }

    // Broken by: stars outside 0–5 or between halves, parts beyond their most, or an order that is
    // not that of the points.
    @Test("random fleets", arguments: 1...200 as ClosedRange<UInt64>)
    func property(seed: UInt64) throws {
        var random = RandomFleet(seed)
        let fleet = try random.make()
        for guest in fleet.guests {
            let placement = Placement(of: guest, in: fleet)
            #expect(placement.candidates.count + placement.exclusions.count == fleet.hosts.count)
            for candidate in placement.candidates {
                let rating = candidate.rating
                #expect(
                    (0...5).contains(rating.stars)
                        && rating.stars * 2 == (rating.stars * 2).rounded())
                #expect(rating.parts.allSatisfy { (0...$0.most).contains($0.points) })
                #expect(rating.parts.reduce(0) { $0 + $1.most } == 5000)
                #expect(fleet.free(on: candidate.host) >= Int64(guest.memory.bytes))
            }
            let points = placement.candidates.map(\.rating.points)
            #expect(points == points.sorted(by: >))
        }
    }
}
