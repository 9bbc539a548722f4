import ArgumentParser
import MigrationModel
import Planner
import Testing

@testable import Commands
@testable import Orchestrator

@Suite("Options of guest policies")
struct GuestPolicyOptionTests {
    private static func changed(
        _ policy: GuestPolicy = GuestPolicy(), _ words: String...
    ) throws -> GuestPolicy {
        var policy = policy
        try GuestPolicyOptions.parse(words).change().apply(to: &policy)
        try policy.check()
        return policy
    }

    // Breaks when an option changes another part of a policy than its own.
    @Test func eachOptionChangesItsOwnPart() throws {
        let (beta, gamma) = (try HostName("beta"), try HostName("gamma"))
        #expect(try Self.changed() == GuestPolicy())
        #expect(try Self.changed(.init(), "--priority", "17") == .init(priority: Priority(17)))
        #expect(
            try Self.changed(.init(), "--drain", "save") == .init(drain: DrainPolicy(.save)))
        #expect(
            try Self.changed(.init(), "--fallback", "stop")
                == .init(drain: DrainPolicy(.live, fallback: .stop)))
        #expect(
            try Self.changed(.init(), "--prefer", "gamma", "--prefer", "beta", "--forbid", "old")
                .placement
                == PlacementRules(preferred: [gamma, beta], forbidden: [try HostName("old")]))
        #expect(
            try Self.changed(.init(), "--affinity", "web", "--anti-affinity", "db=required")
                .placement
                == PlacementRules(affinity: "web", antiAffinity: .init("db", isHard: true)))
        #expect(
            try Self.changed(.init(), "--anti-affinity", "db").placement.antiAffinity
                == .init("db"))
    }

    // Breaks when a rule cannot be taken back, or takes others with it.
    @Test func rulesAreTakenBack() throws {
        let full = GuestPolicy(
            priority: .high, drain: DrainPolicy(.live, fallback: .save),
            placement: PlacementRules(
                preferred: [try HostName("beta")], forbidden: [try HostName("old")],
                affinity: "web", antiAffinity: .init("db")))
        var expected = full
        expected.drain.fallback = nil
        #expect(try Self.changed(full, "--fallback", "none") == expected)
        #expect(try Self.changed(full, "--drain", "leave").drain == DrainPolicy(.leave))
        expected = full
        expected.placement.preferred = []
        expected.placement.forbidden = []
        #expect(try Self.changed(full, "--any-host") == expected)
        expected.placement.forbidden = [try HostName("beta")]
        #expect(try Self.changed(full, "--any-host", "--forbid", "beta") == expected)
        let bare = try Self.changed(full, "--affinity", "none", "--anti-affinity", "none")
        #expect(bare.placement.affinity == nil && bare.placement.antiAffinity == nil)
        #expect(bare.placement.preferred == full.placement.preferred)
    }

    // Breaks when words that mean nothing are taken for something.
    @Test(arguments: [
        (["--drain", "suspend"], ErrorCode.usage), (["--fallback", "live"], .usage),
        (["--priority", "urgent"], .range), (["--prefer", "a/b"], .hostName),
        (["--affinity", "a b"], .usage), (["--anti-affinity", "=required"], .usage),
        (["--drain", "save", "--fallback", "stop"], .usage),
        (["--prefer", "beta", "--forbid", "beta"], .usage),
    ])
    func refused(words: [String], code: ErrorCode) throws {
        let options = try GuestPolicyOptions.parse(words)
        let error = #expect(throws: LivemigError.self) {
            var policy = GuestPolicy()
            try options.change().apply(to: &policy)
            try policy.check()
        }
        #expect(error?.code == code)
    }

    // Breaks when what is said to a drain does not go before what its guests' policies say.
    @Test func theDrainsOwnWordsGoFirst() throws {
        let name = try VMName("web1")
        var guest = Fleet.Guest(
            name: name, uuid: .random(), host: try HostName("alpha"), memory: .mebibytes(64),
            drain: DrainPolicy(.live, fallback: .save))
        let host = guest.host
        #expect(DrainRequest(of: host).policy(of: guest) == guest.drain)
        #expect(DrainRequest(of: host, fallback: .leave).policy(of: guest) == guest.drain)
        #expect(
            DrainRequest(of: host, fallbacks: [name: .leave]).policy(of: guest)
                == DrainPolicy(.live, fallback: .leave))
        #expect(DrainRequest(of: host, stopping: [name]).policy(of: guest) == DrainPolicy(.stop))
        guest.drain = DrainPolicy()
        #expect(
            DrainRequest(of: host, fallback: .leave).policy(of: guest)
                == DrainPolicy(.live, fallback: .leave))
        guest.drain = DrainPolicy(.save)
        #expect(DrainRequest(of: host, fallback: .leave).policy(of: guest) == DrainPolicy(.save))
        #expect(
            DrainRequest(of: host, leaving: [name]).policy(of: guest) == DrainPolicy(.leave))
    }
}
