public import MigrationModel

/// Why a guest may not move to a host.
public enum Refusal: Hashable, Sendable {
    /// The guest is there.
    case sameHost
    /// No guest may move there for now.
    case cordoned
    /// The host is being emptied.
    case draining
    /// The host takes no part in live migrations.
    case liveMigrationDisabled
    /// The guest's rules name the host.
    case forbidden
    /// Guests are there that it must be apart from.
    case antiAffinity(group: String, there: Int)
    /// Not enough memory after the host's reserve and what is promised to others.
    case memory(needed: ByteCount, free: ByteCount)
    /// The caller's check found that the host cannot run the guest.
    case incompatible(LivemigError)
}

extension Refusal: CustomStringConvertible {
    /// The reason in words that follow the host's name.
    public var description: String {
        switch self {
        case .sameHost: "runs it already"
        case .cordoned: "is cordoned"
        case .draining: "is being drained"
        case .liveMigrationDisabled: "has live migration disabled"
        case .forbidden: "is forbidden by its rules"
        case .antiAffinity(let group, let there):
            "has \(Words.count(there, "guest")) of group \(group.escaped()), which must be apart"
        case .memory(let needed, let free):
            "has \(free) free after its reserve, \(needed) are needed"
        case .incompatible(let error): "cannot run it: \(error.what.onOneLine())"
        }
    }
}

extension Ledger {
    /// All that speaks against a guest on a host; empty when it can go there.
    ///
    /// The caller's check is asked only of hosts that nothing else speaks against.
    func refusals(
        _ request: Request, of guest: Fleet.Guest, at host: Int, _ surroundings: Surroundings,
        _ compatibility: Placement.Compatibility
    ) -> [Refusal] {
        if guest.host == hosts[host].name { return [.sameHost] }
        var found: [Refusal] = []
        if books[host].isDraining { found.append(.draining) }
        if hosts[host].isCordoned { found.append(.cordoned) }
        if !hosts[host].allowsLiveMigration { found.append(.liveMigrationDisabled) }
        if request.forbidden.contains(host) { found.append(.forbidden) }
        if let rule = request.antiAffinity, surroundings.isHardConflict(request, at: host) {
            let there = surroundings.apart[host]?.all ?? 0
            found.append(.antiAffinity(group: rule.group, there: there))
        }
        if books[host].free < request.memory {
            found.append(
                .memory(
                    needed: guest.memory, free: ByteCount(UInt64(clamping: books[host].free))))
        }
        if found.isEmpty, let error = compatibility(guest, hosts[host]) {
            found.append(.incompatible(error))
        }
        return found
    }
}
