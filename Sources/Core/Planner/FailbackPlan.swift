public import MigrationModel

/// An order of moves that brings guests back to where they were.
///
/// Each move fits when its turn comes. Guests that have to change places on full hosts go by way
/// of a third host that has room for one of them for a while.
public struct FailbackPlan: Hashable, Sendable {
    /// One move.
    public struct Step: Hashable, Sendable {
        /// The guest; where it is as the plan begins.
        public let guest: Fleet.Guest
        /// Where it is when the step's turn comes.
        public let from: HostName
        /// Where it goes.
        public let to: HostName
        /// Whether it goes there only for a while, to make room.
        public let isDetour: Bool
        /// Earlier steps, by their place in the plan, that must have ended before this one begins.
        ///
        /// Whoever keeps to them can run steps at once and never needs more memory than there is.
        public internal(set) var after: [Int] = []
    }

    /// A guest that the plan does not bring back.
    public struct Blockage: Hashable, Sendable {
        /// The guest.
        public let guest: Fleet.Guest
        /// Where the plan leaves it.
        public let host: HostName
        /// Where it should be.
        public let home: HostName
        /// What stands in the way.
        public let reason: Reason
    }

    /// What stands in the way of a guest.
    public enum Reason: Hashable, Sendable {
        /// It cannot move at all, or not decided yet.
        case error(LivemigError)
        /// Its home does not take it, whatever moves.
        case refused([Refusal])
        /// Its home has too little room, with the guests there that are on their way elsewhere and
        /// cannot leave.
        case room(needed: ByteCount, free: ByteCount, heldBy: [VMName])
        /// A guest is at its home that it must be apart from, and that cannot leave.
        case apart(from: [VMName])
    }

    /// The moves in order.
    public let steps: [Step]
    /// Guests that are not brought back, in the order in which they would have been.
    public let blocked: [Blockage]
    /// Guests that the fleet does not have any more.
    public let missing: [VMUUID]
    /// Whether it is certain that no order of moves brings more guests back.
    ///
    /// Always so when all are brought back. Otherwise every order was tried, unless there were too
    /// many.
    public let isCertain: Bool

    /// Plans the way back.
    ///
    /// - Parameters:
    ///   - homes: where guests were; only these are moved.
    ///   - fleet: where they are now.
    ///   - compatibility: says whether a host can run a guest.
    public init(
        to homes: [VMUUID: HostName], in fleet: Fleet,
        compatibility: Placement.Compatibility = { _, _ in nil }
    ) {
        let known = Set(fleet.guests.map(\.uuid))
        missing = homes.keys.filter { !known.contains($0) }
            .sorted { ($0.bits.high, $0.bits.low) < ($1.bits.high, $1.bits.low) }
        let ledger = Ledger(fleet)
        let moving = Set(fleet.reservations.map(\.guest))
        var blocked: [Blockage] = []
        var movers: [FailbackSearch.Mover] = []
        for guest in fleet.guests.sorted(by: Fleet.Guest.goesFirst) {
            guard let home = homes[guest.uuid], home != guest.host else { continue }
            do {
                movers.append(
                    try ledger.mover(guest, to: home, isMoving: moving.contains(guest.uuid)))
            } catch {
                let reason = Reason.error(error)
                blocked.append(
                    Blockage(guest: guest, host: guest.host, home: home, reason: reason))
            }
        }
        var search = FailbackSearch(movers, in: ledger)
        isCertain = search.run { mover, host in
            compatibility(movers[mover].guest, ledger.hosts[host]) == nil
        }
        blocked += search.blockages(compatibility)
        self.blocked = blocked.sorted { Fleet.Guest.goesFirst($0.guest, $1.guest) }
        steps = search.steps(from: ledger)
    }

    /// Steps that can begin now.
    public func ready(ended: Set<Int>, begun: Set<Int>) -> [Int] {
        steps.indices.filter { step in
            !begun.contains(step) && !ended.contains(step)
                && steps[step].after.allSatisfy(ended.contains)
        }
    }

    /// Circles of guests each of which waits for the room of the next, and the last for that of the
    /// first.
    public var circles: [[VMName]] {
        var next: [VMName: VMName] = [:]
        for blockage in blocked {
            switch blockage.reason {
            case .room(_, _, let holders), .apart(let holders):
                next[blockage.guest.name] = holders.first
            case .error, .refused: break
            }
        }
        var circles: [[VMName]] = []
        var seen: Set<VMName> = []
        for blockage in blocked {
            var path: [VMName] = []
            var name: VMName? = blockage.guest.name
            while let current = name, !seen.contains(current) {
                seen.insert(current)
                path.append(current)
                name = next[current]
            }
            if let name, let start = path.firstIndex(of: name) {
                circles.append(Array(path[start...]))
            }
        }
        return circles
    }
}

extension FailbackPlan.Blockage: CustomStringConvertible {
    /// Such as `web1 cannot go back to alpha: 2.0 GiB are free there, 8.0 GiB are needed, and db1
    /// cannot leave`.
    public var description: String { "\(guest.name) cannot go back to \(home): \(reason)" }
}

extension FailbackPlan.Reason: CustomStringConvertible {
    /// In words.
    public var description: String {
        switch self {
        case .error(let error): return "\(error.code.rawValue) \(error.explanation)"
        case .refused(let refusals):
            return "it " + refusals.map(\.description).joined(separator: " and ")
        case .room(let needed, let free, let holders):
            let names = Words.list(holders.map(\.text))
            let held = holders.isEmpty ? "" : ", and \(names) cannot leave"
            return "\(free) are free there, \(needed) are needed\(held)"
        case .apart(let holders):
            return "\(Words.list(holders.map(\.text))) must be apart from it and cannot leave"
        }
    }
}

extension Ledger {
    fileprivate func mover(
        _ guest: Fleet.Guest, to home: HostName, isMoving: Bool
    ) throws(LivemigError) -> FailbackSearch.Mover {
        guard let goal = number(of: home), let place = number(of: guest.host) else {
            throw LivemigError(.noHost, "no host \(number(of: home) == nil ? home : guest.host)")
        }
        guard !isMoving else {
            throw LivemigError(
                .busy, "\(guest.name) is being moved", fix: "wait until it has ended")
        }
        guard guest.holdsMemory else {
            let what = guest.state == .saved ? "is saved" : "does not run"
            throw LivemigError(.notRunning, "\(guest.name) \(what) on \(guest.host)")
        }
        if let error = guest.unsettled ?? obstacle(to: guest) { throw error }
        return FailbackSearch.Mover(
            guest: guest, request: Request(guest, self), start: place, home: goal)
    }
}
