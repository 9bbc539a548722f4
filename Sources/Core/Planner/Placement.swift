public import MigrationModel

/// Where a guest could go: every host of the fleet, rated or refused with reasons.
public struct Placement: Hashable, Sendable {
    /// Says why a host cannot run a guest, or `nil` when it can; the same for equal arguments.
    public typealias Compatibility = (Fleet.Guest, Fleet.Host) -> LivemigError?

    /// A host that can take the guest.
    public struct Candidate: Hashable, Sendable {
        /// The host.
        public let host: HostName
        /// How well it suits.
        public let rating: Rating
    }

    /// A host that cannot take the guest.
    public struct Exclusion: Hashable, Sendable {
        /// The host.
        public let host: HostName
        /// All reasons that are known.
        public let refusals: [Refusal]

        /// Such as `beta has 9.0 GiB free after its reserve, 16 GiB are needed`.
        public var words: String {
            "\(host) " + refusals.map(\.description).joined(separator: " and ")
        }
    }

    /// The guest.
    public let guest: Fleet.Guest
    /// Hosts that can take it, best first; equals by name.
    public let candidates: [Candidate]
    /// Hosts that cannot, by name.
    public let exclusions: [Exclusion]

    /// Looks at every host for a guest, of the fleet or still outside of it.
    public init(
        of guest: Fleet.Guest, in fleet: Fleet, compatibility: Compatibility = { _, _ in nil }
    ) {
        let ledger = Ledger(fleet)
        self.init(of: guest, Request(guest, ledger), in: ledger, compatibility)
    }

    init(
        of guest: Fleet.Guest, _ request: Request, in ledger: Ledger,
        _ compatibility: Compatibility
    ) {
        let surroundings = ledger.surroundings(of: request)
        var candidates: [Candidate] = []
        var exclusions: [Exclusion] = []
        for host in ledger.hosts.indices {
            let name = ledger.hosts[host].name
            let refusals = ledger.refusals(
                request, of: guest, at: host, surroundings, compatibility)
            if refusals.isEmpty {
                let rating = ledger.rating(request, at: host, surroundings)
                candidates.append(Candidate(host: name, rating: rating))
            } else {
                exclusions.append(Exclusion(host: name, refusals: refusals))
            }
        }
        self.guest = guest
        self.candidates = candidates.sorted { left, right in
            (right.rating.points, left.host.text) < (left.rating.points, right.host.text)
        }
        self.exclusions = exclusions
    }

    /// The best host; the others are its runners-up.
    /// - Throws: `E-NOTARGET` with the reasons when no host can take the guest.
    public func choose() throws(LivemigError) -> Candidate {
        guard let best = candidates.first else { throw noTarget }
        return best
    }

    /// How many hosts are named in an error.
    private static let namedHosts = 3

    /// Why no host can take the guest, and what would help.
    var noTarget: LivemigError {
        let others = exclusions.filter { $0.refusals != [.sameHost] }
        let named = others.prefix(Self.namedHosts).map(\.words)
        let reasons =
            others.isEmpty
            ? "there is no other host" : Words.few(named, of: others.count, "host")
        return LivemigError(
            .noTarget, "no host can take \(guest.name): \(reasons)",
            fix: advice.isEmpty ? "add a host" : advice.joined(separator: ", or "))
    }

    /// What would let a host take the guest, for hosts that only one thing speaks against.
    private var advice: [String] {
        var shortage: (bytes: UInt64, host: HostName)?
        var cordoned: HostName?
        var disabled: HostName?
        var isRuled = false
        var fix = ""
        for exclusion in exclusions where exclusion.refusals.count == 1 {
            switch exclusion.refusals[0] {
            case .memory(let needed, let free):
                let bytes = needed.bytes - min(free.bytes, needed.bytes)
                if shortage.map({ bytes < $0.bytes }) ?? true {
                    shortage = (bytes, exclusion.host)
                }
            case .cordoned: cordoned = cordoned ?? exclusion.host
            case .liveMigrationDisabled: disabled = disabled ?? exclusion.host
            case .forbidden, .antiAffinity: isRuled = true
            case .incompatible(let error): fix = fix.isEmpty ? error.fix : fix
            case .sameHost, .draining: break
            }
        }
        return [
            shortage.map { "free \(ByteCount($0.bytes)) on \($0.host)" },
            cordoned.map { "resume \($0)" }, disabled.map { "enable live migration on \($0)" },
            isRuled ? "change the placement rules of \(guest.name)" : nil,
            fix.isEmpty ? nil : fix.onOneLine(),
        ].compactMap { $0 }
    }
}

extension Ledger {
    /// The host that `Placement` would rate best, found without rating in words.
    ///
    /// The caller's check is asked only of hosts that would be the best so far.
    func best(
        _ request: Request, of guest: Fleet.Guest, _ surroundings: Surroundings,
        _ compatibility: Placement.Compatibility
    ) -> Int? {
        let source = number(of: guest.host)
        var best: (host: Int, points: Int)?
        for host in hosts.indices
        where host != source && canTake(request, at: host, surroundings) {
            let points = shares(request, at: host, surroundings).points
            if let best, points <= best.points { continue }
            if compatibility(guest, hosts[host]) == nil { best = (host, points) }
        }
        return best?.host
    }
}
