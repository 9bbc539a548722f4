public import MigrationModel

/// How well a host suits a guest: 0 to 5 stars in steps of a half, with the reasons.
///
/// What counts is what stays free on the host, and how far the guest's rules are met. Rules count
/// more than room, and a guest without rules is rated by room alone.
public struct Rating: Hashable, Sendable, CustomStringConvertible {
    /// What the stars are for.
    public let parts: [Part]

    /// One thing that was rated.
    public struct Part: Hashable, Sendable, CustomStringConvertible {
        /// What was found.
        public let finding: Finding
        /// Thousandths of a star that it gets.
        public let points: Int
        /// Thousandths of a star that it could get.
        public let most: Int

        /// Such as `37 GiB of 60 GiB stay free (2.1 of 3.3)`.
        public var description: String {
            "\(finding) (\(Words.tenths(points)) of \(Words.tenths(most)))"
        }
    }

    /// What speaks for or against a host.
    public enum Finding: Hashable, Sendable {
        /// Memory that stays free with the guest, of what guests can have there.
        case memory(left: ByteCount, usable: ByteCount)
        /// vCPUs with the guest's, and the processors that they share.
        case processors(vcpus: Int, processors: Int)
        /// The place among the guest's preferred hosts, from 1.
        case preferred(rank: Int?)
        /// How many of the guest's group are there, and whether any are elsewhere.
        case affinity(group: String, there: Int, isElsewhere: Bool)
        /// How many are there that the guest should be apart from.
        case spread(group: String, there: Int)
    }

    /// Thousandths of a star, by which hosts are compared.
    public var points: Int { parts.reduce(0) { $0 + $1.points } }

    /// 0 to 5 in steps of a half.
    public var stars: Double { Double((points + 250) / 500) / 2 }

    /// Such as `4.5 stars: 37 GiB of 60 GiB stay free (2.9 of 3.3), …`.
    public var description: String {
        "\(stars) stars: " + parts.map(\.description).joined(separator: ", ")
    }
}

extension Rating.Finding: CustomStringConvertible {
    /// The finding in words.
    public var description: String {
        switch self {
        case .memory(let left, let usable): "\(left) of \(usable) stay free"
        case .processors(let vcpus, let processors):
            "\(Words.count(vcpus, "vCPU")) on \(Words.count(processors, "processor"))"
        case .preferred(nil): "not a preferred host"
        case .preferred(1?): "the preferred host"
        case .preferred(let rank?): "preferred host number \(rank)"
        case .affinity(let group, 0, false): "no other guest of group \(group.escaped()) runs"
        case .affinity(let group, 0, true): "guests of group \(group.escaped()) are elsewhere"
        case .affinity(let group, let there, _):
            "beside \(Words.count(there, "guest")) of group \(group.escaped())"
        case .spread(let group, 0): "apart from group \(group.escaped())"
        case .spread(let group, let there):
            "not apart from \(Words.count(there, "guest")) of group \(group.escaped())"
        }
    }
}

/// Thousandths of a star for each thing that is rated.
struct Shares {
    var memory: Int
    var processors: Int
    var preferred = 0
    var affinity = 0
    var spread = 0

    /// A perfect host's stars, in thousandths.
    private static let total = 5000
    /// A preferred host outweighs all room; a rule about other guests outweighs memory.
    private static let weights = (memory: 2, processors: 1, preferred: 4, affinity: 3, spread: 3)

    /// The sum by which hosts are compared.
    var points: Int { memory + processors + preferred + affinity + spread }

    /// What a perfect host gets from a guest with such rules.
    init(most rules: PlacementRules) {
        let weights = Self.weights
        let preferred = rules.preferred.isEmpty ? 0 : weights.preferred
        let affinity = rules.affinity == nil ? 0 : weights.affinity
        let spread = rules.antiAffinity == nil ? 0 : weights.spread
        let sum = weights.memory + weights.processors + preferred + affinity + spread
        self.preferred = Self.total * preferred / sum
        self.affinity = Self.total * affinity / sum
        self.spread = Self.total * spread / sum
        processors = Self.total * weights.processors / sum
        // What rounding leaves goes to memory, so that a perfect host has all.
        memory = Self.total - processors - self.preferred - self.affinity - self.spread
    }

    init(memory: Int, processors: Int) {
        self.memory = memory
        self.processors = processors
    }
}

extension Ledger {
    /// What a host gets that has room for the guest.
    ///
    /// The shares of room are those of System Center's placement: what stays free of what guests
    /// can have.
    func shares(_ request: Request, at host: Int, _ surroundings: Surroundings) -> Shares {
        let (book, most) = (books[host], request.most)
        // In units of 64 KiB, so that a product with 5000 fits.
        let left = Int(truncatingIfNeeded: max(0, book.free - request.memory) >> 16)
        let usable = Int(truncatingIfNeeded: book.usable >> 16)
        let vcpusLeft = max(0, book.vcpuCapacity - book.vcpus - request.vcpus)
        var found = Shares(
            memory: most.memory * left / max(1, usable),
            processors: most.processors * vcpusLeft / max(1, book.vcpuCapacity))
        if most.preferred > 0, let rank = request.preferred[host] {
            found.preferred = most.preferred * max(1, 4 - rank) / 4
        }
        if most.affinity > 0 {
            let isHere = (surroundings.beside[host]?.all ?? 0) > 0
            found.affinity = isHere || !surroundings.isAnyoneElse ? most.affinity : 0
        }
        if most.spread > 0 {
            found.spread = most.spread / (1 + (surroundings.apart[host]?.all ?? 0))
        }
        return found
    }

    /// The rating of a host that can take the guest, in full.
    func rating(_ request: Request, at host: Int, _ surroundings: Surroundings) -> Rating {
        let book = books[host]
        let (most, found) = (request.most, shares(request, at: host, surroundings))
        var parts = [
            Rating.Part(
                finding: .memory(
                    left: ByteCount(UInt64(clamping: book.free - request.memory)),
                    usable: ByteCount(UInt64(clamping: book.usable))),
                points: found.memory, most: most.memory),
            Rating.Part(
                finding: .processors(
                    vcpus: book.vcpus + request.vcpus, processors: hosts[host].processors),
                points: found.processors, most: most.processors),
        ]
        if most.preferred > 0 {
            let rank = request.preferred[host].map { $0 + 1 }
            parts.append(
                Rating.Part(
                    finding: .preferred(rank: rank), points: found.preferred, most: most.preferred))
        }
        if let group = request.affinity {
            let finding = Rating.Finding.affinity(
                group: group, there: surroundings.beside[host]?.all ?? 0,
                isElsewhere: surroundings.isAnyoneElse)
            parts.append(
                Rating.Part(finding: finding, points: found.affinity, most: most.affinity))
        }
        if let group = request.antiAffinity?.group {
            let finding = Rating.Finding.spread(
                group: group, there: surroundings.apart[host]?.all ?? 0)
            parts.append(Rating.Part(finding: finding, points: found.spread, most: most.spread))
        }
        return Rating(parts: parts)
    }
}
