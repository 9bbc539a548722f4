public import MigrationModel

/// What becomes of every guest of the hosts that are to be emptied.
///
/// Guests are dealt with by priority, then size, then name. Each gets the host that suits it best
/// once all earlier ones are where the plan puts them, so that no memory is promised twice. Hosts
/// that are drained take no guests.
public struct DrainPlan: Hashable, Sendable {
    /// What becomes of a guest.
    public enum Ending: Hashable, Sendable {
        /// It moves live to a host, which suits it so well.
        case move(to: HostName, Rating)
        /// It is on its way to a host already.
        case moving(to: HostName)
        /// It is saved: by its policy, or instead of a live move that is not possible.
        case save(insteadOf: LivemigError?)
        /// It is powered off: by its policy, or instead of a live move that is not possible.
        case stop(insteadOf: LivemigError?)
        /// It stays: by its policy, or instead of a live move that is not possible.
        case leave(insteadOf: LivemigError?)
        /// It does not run.
        case stopped
        /// It cannot move, and nothing else is allowed.
        case blocked(LivemigError)
    }

    /// A guest and what becomes of it.
    public struct Step: Hashable, Sendable {
        /// The guest.
        public let guest: Fleet.Guest
        /// What becomes of it.
        public let ending: Ending
    }

    /// The hosts that are drained, by name.
    public let hosts: [HostName]
    /// Every guest of theirs, in the order in which they are dealt with.
    public let steps: [Step]
    /// VMs of theirs that cannot be read: they stay, and nobody knows whether they run.
    public let damaged: [DamagedMachine]

    /// Plans to empty hosts.
    ///
    /// - Parameters:
    ///   - draining: the hosts.
    ///   - fleet: what is where now.
    ///   - compatibility: says whether a host can run a guest.
    /// - Throws: `E-NOHOST` for a host that is not of the fleet.
    public init(
        draining: [HostName], in fleet: Fleet,
        compatibility: Placement.Compatibility = { _, _ in nil }
    ) throws(LivemigError) {
        var ledger = Ledger(fleet)
        for host in draining {
            guard let number = ledger.number(of: host) else {
                throw LivemigError(.noHost, "no host \(host) in the fleet")
            }
            ledger.drain(number)
        }
        let guests = fleet.guests.indices
            .filter { guest in ledger.places[guest].map { ledger.books[$0].isDraining } ?? false }
            .map { fleet.guests[$0] }
        let destinations = Dictionary(
            fleet.reservations.map { ($0.guest, $0.host) }, uniquingKeysWith: { first, _ in first })
        hosts = Set(draining).sorted { $0.text < $1.text }
        damaged = hosts.flatMap { fleet.damaged[$0] ?? [] }
        var steps: [Step] = []
        for guest in guests.sorted(by: Fleet.Guest.goesFirst) {
            let ending =
                destinations[guest.uuid].map(Ending.moving)
                ?? ledger.ending(of: guest, compatibility)
            steps.append(Step(guest: guest, ending: ending))
        }
        self.steps = steps
    }

    /// Whether the hosts will run no guest when every step has succeeded.
    public var empties: Bool {
        damaged.isEmpty
            && steps.allSatisfy { step in
                switch step.ending {
                case .leave, .blocked: false
                default: true
                }
            }
    }

    /// Such as `7 VMs, 5 move live, 1 is saved, 1 cannot move`.
    public var summary: String {
        let parts = DrainPlan.Ending.Kind.allCases.compactMap { kind -> String? in
            let count =
                steps.count { $0.ending.kind == kind } + (kind == .blocked ? damaged.count : 0)
            return count > 0 ? "\(count) \(count == 1 ? kind.one : kind.many)" : nil
        }
        return ([Words.count(steps.count + damaged.count, "VM")] + parts).joined(separator: ", ")
    }
}

extension DrainPlan.Ending: CustomStringConvertible {
    /// The endings in the order of the summary, with what is said of one guest and of several.
    fileprivate enum Kind: CaseIterable {
        case move, moving, save, stop, leave, stopped, blocked

        var one: String {
            switch self {
            case .move: "moves live"
            case .moving: "is on its way"
            case .save: "is saved"
            case .stop: "is powered off"
            case .leave: "stays"
            case .stopped: "is stopped"
            case .blocked: "cannot move"
            }
        }

        var many: String {
            switch self {
            case .move: "move live"
            case .moving: "are on their way"
            case .save: "are saved"
            case .stop: "are powered off"
            case .leave: "stay"
            case .stopped: "are stopped"
            case .blocked: "cannot move"
            }
        }
    }

    fileprivate var kind: Kind {
        switch self {
        case .move: .move
        case .moving: .moving
        case .save: .save
        case .stop: .stop
        case .leave: .leave
        case .stopped: .stopped
        case .blocked: .blocked
        }
    }

    /// In words that follow the guest's name.
    public var description: String { words(chosen: "by its policy") }

    /// In words that follow the guest's name.
    /// - Parameter reason: why it is, where it is not instead of something else.
    public func words(chosen reason: String) -> String {
        func because(_ error: LivemigError?) -> String {
            guard let error else { return ", \(reason)" }
            return ", since it cannot move: \(error.code.rawValue) \(error.what.onOneLine())"
        }
        return switch self {
        case .move(let host, let rating): "moves live to \(host), \(rating.stars) stars"
        case .moving(let host): "is on its way to \(host)"
        case .save(let error): "is saved" + because(error)
        case .stop(let error): "is powered off" + because(error)
        case .leave(let error): "stays" + because(error)
        case .stopped: "does not run"
        case .blocked(let error): "cannot move: \(error.code.rawValue) \(error.explanation)"
        }
    }
}

extension Ledger {
    /// What becomes of a guest whose host is drained; takes the memory that it needs elsewhere.
    fileprivate mutating func ending(
        of guest: Fleet.Guest, _ compatibility: Placement.Compatibility
    ) -> DrainPlan.Ending {
        if guest.state.isOff { return .stopped }
        if let error = guest.unsettled { return .blocked(error) }
        switch guest.drain.action {
        case .save: return .save(insteadOf: nil)
        case .stop: return .stop(insteadOf: nil)
        case .leave: return .leave(insteadOf: nil)
        case .live: break
        }
        do {
            return try move(guest, compatibility)
        } catch {
            return switch guest.drain.fallback {
            case .save: .save(insteadOf: error)
            case .stop: .stop(insteadOf: error)
            case .leave: .leave(insteadOf: error)
            case .live, nil: .blocked(error)
            }
        }
    }

    private mutating func move(
        _ guest: Fleet.Guest, _ compatibility: Placement.Compatibility
    ) throws(LivemigError) -> DrainPlan.Ending {
        if let error = obstacle(to: guest) { throw error }
        let request = Request(guest, self)
        let surroundings = surroundings(of: request)
        guard let host = best(request, of: guest, surroundings, compatibility) else {
            throw Placement(of: guest, request, in: self, compatibility).noTarget
        }
        let rating = rating(request, at: host, surroundings)
        add(request.load, to: host)
        return .move(to: hosts[host].name, rating)
    }

    /// Why a guest cannot leave its host live, wherever to.
    func obstacle(to guest: Fleet.Guest) -> LivemigError? {
        if let number = number(of: guest.host), !hosts[number].allowsLiveMigration {
            return LivemigError(
                .disabled, "live migration is disabled on \(guest.host)",
                fix: "enable it there, or shut \(guest.name) down")
        }
        guard var obstacle = guest.obstacles.first else { return nil }
        if obstacle.fix.isEmpty {
            obstacle.fix = "shut \(guest.name) down, or leave it on \(guest.host)"
        }
        return obstacle
    }
}

extension Fleet.Guest {
    /// Why nobody may decide over the guest yet.
    var unsettled: LivemigError? {
        switch state {
        case .running, .paused, .stopped, .saved: nil
        case .ioError, .failed:
            LivemigError(
                .vmState, "an error has stopped \(name)", fix: "livemig vm show \(name)")
        case .inTransfer:
            LivemigError(
                .inTransfer, "\(name) is between two hosts", fix: "livemig recover \(name)")
        case .unknown:
            LivemigError(
                .vmState, "nobody could be asked about \(name)", fix: "livemig status \(name)")
        }
    }
}
