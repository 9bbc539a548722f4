import MigrationModel
import Testing

@testable import Preflight

@Suite("What processors have in common") struct CPUBaselineTests {
    private static func host(
        _ name: String, _ vendor: String, _ features: Set<String>
    ) throws -> (name: HostName, facts: HostFacts) {
        (
            try HostName(name),
            HostFacts(
                identity: name, kernel: "6.18", agentVersion: "1", architecture: "x86_64",
                processors: 2, memoryTotal: ByteCount(1), memoryAvailable: ByteCount(1),
                tracking: "", canTrack: true, hypervisor: "", hasKVM: true,
                cpu: .init(vendor: vendor, model: "m", features: features), clock: 0)
        )
    }

    // Broken by: a feature that one host lacks counted among the common ones, or a host's surplus
    // that leaves one out.
    @Test func oneMaker() throws {
        let baseline = CPUBaseline([
            try Self.host("beta", "I", ["a", "b", "c"]), try Self.host("alpha", "I", ["a", "b"]),
            try Self.host("gamma", "I", ["a", "b", "d", "e"]),
        ])
        let group = try #require(baseline.groups.first)
        #expect(baseline.groups.count == 1)
        #expect(group.common == ["a", "b"])
        #expect(group.hosts.map(\.name.text) == ["alpha", "beta", "gamma"])
        #expect(group.hosts.map(\.surplus) == [[], ["c"], ["d", "e"]])
        #expect(!baseline.isUniform)
    }

    // Broken by: makers thrown together, or hosts that are alike told apart.
    @Test func severalMakers() throws {
        let alike = [try Self.host("alpha", "I", ["a"]), try Self.host("beta", "I", ["a"])]
        #expect(CPUBaseline(alike).isUniform)
        #expect(CPUBaseline([]).isUniform)
        let mixed = CPUBaseline(alike + [try Self.host("gamma", "A", ["a"])])
        #expect(mixed.groups.map(\.vendor) == ["I", "A"])
        #expect(mixed.groups.allSatisfy(\.isUniform) && !mixed.isUniform)
    }
}
