public import MigrationModel

/// What the processors of several hosts have in common: what a guest may use that is to run on any
/// of them.
public struct CPUBaseline: Hashable, Sendable {
    /// A host, and what its processor has beyond the others.
    public struct Host: Hashable, Sendable {
        /// Its name.
        public let name: HostName
        /// Its processor.
        public let cpu: HostFacts.CPU
        /// Features that one of the other hosts lacks, by name.
        public let surplus: [String]
    }

    /// Hosts whose guests can be moved among them, as far as processors are concerned: one
    /// architecture and one maker.
    public struct Group: Hashable, Sendable {
        /// The architecture, such as `x86_64`.
        public let architecture: String
        /// The maker, such as `GenuineIntel`.
        public let vendor: String
        /// The hosts, by name.
        public let hosts: [Host]
        /// The features that all of them have, by name.
        public let common: [String]

        /// Whether a guest that sees its host's whole processor can move among all of them.
        public var isUniform: Bool { hosts.allSatisfy(\.surplus.isEmpty) }
    }

    /// The groups, the largest first.
    public let groups: [Group]

    /// Compares hosts.
    public init(_ hosts: [(name: HostName, facts: HostFacts)]) {
        let kinds = Dictionary(grouping: hosts) {
            [$0.facts.architecture, $0.facts.cpu.vendor]
        }
        groups = kinds.map { kind, members in
            let first = members.first?.facts.cpu.features ?? []
            let common = members.reduce(first) { $0.intersection($1.facts.cpu.features) }
            return Group(
                architecture: kind[0], vendor: kind[1],
                hosts: members.sorted { $0.name.text < $1.name.text }.map { name, facts in
                    Host(
                        name: name, cpu: facts.cpu,
                        surplus: facts.cpu.features.subtracting(common).sorted())
                }, common: common.sorted())
        }.sorted { left, right in
            left.hosts.count != right.hosts.count
                ? left.hosts.count > right.hosts.count
                : (left.architecture, left.vendor) < (right.architecture, right.vendor)
        }
    }

    /// Whether guests of every kind can be moved between any two of the hosts.
    public var isUniform: Bool { groups.count < 2 && groups.allSatisfy(\.isUniform) }
}
