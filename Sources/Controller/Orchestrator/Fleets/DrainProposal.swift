public import MigrationModel
public import Planner

/// A drain as the operator asks for it.
public struct DrainRequest: Hashable, Sendable {
    /// The host to empty.
    public var host: HostName
    /// Where guests may go; empty for everywhere.
    public var destinations: [HostName]
    /// What becomes of guests, whatever their own policies say.
    public var actions: [VMName: DrainPolicy.Action]
    /// What becomes of guests that cannot move live; `nil` allows nothing in place of it.
    public var fallback: DrainPolicy.Action?
    /// The same for single guests.
    public var fallbacks: [VMName: DrainPolicy.Action]
    /// What goes first, where it is not all the same.
    public var priorities: [VMName: Priority]
    /// How each move behaves.
    public var template: MoveTemplate

    /// States a drain.
    public init(
        of host: HostName, to destinations: [HostName] = [],
        actions: [VMName: DrainPolicy.Action] = [:],
        fallback: DrainPolicy.Action? = nil, fallbacks: [VMName: DrainPolicy.Action] = [:],
        priorities: [VMName: Priority] = [:], template: MoveTemplate = MoveTemplate()
    ) {
        self.host = host
        self.destinations = destinations
        self.actions = actions
        self.fallback = fallback
        self.fallbacks = fallbacks
        self.priorities = priorities
        self.template = template
    }

    /// What becomes of a guest: what is said of it here goes before its own policy.
    func policy(of guest: Fleet.Guest) -> DrainPolicy {
        var policy = guest.drain
        if let action = actions[guest.name] {
            policy = DrainPolicy(action, fallback: action == .live ? policy.fallback : nil)
        }
        if let named = fallbacks[guest.name] {
            policy = DrainPolicy(.live, fallback: named)
        } else if policy.action == .live {
            policy.fallback = policy.fallback ?? fallback
        }
        return policy
    }
}

/// What a drain would do, as everything is now.
public struct DrainProposal: Sendable {
    /// What is asked for.
    public let request: DrainRequest
    /// What becomes of each guest.
    public let plan: DrainPlan
    /// The live moves, in order.
    public let moves: [MoveQueue.Move]
    /// Hosts that did not answer, and why; no guest goes there.
    public let silent: [HostName: LivemigError]
    /// How many moves each host takes part in, and each network takes.
    public let limits: MoveQueue.Limits

    /// The guests that are powered off.
    public var stops: [VMName] {
        plan.steps.compactMap { step in
            guard case .stop = step.ending else { return nil }
            return step.guest.name
        }
    }

    /// The guests that are saved.
    public var saves: [VMName] {
        plan.steps.compactMap { step in
            guard case .save = step.ending else { return nil }
            return step.guest.name
        }
    }

    /// What becomes of a guest, in words that follow its name.
    public func words(of step: DrainPlan.Step) -> String {
        let isAsked = request.actions[step.guest.name] != nil
        return step.ending.words(chosen: isAsked ? "as asked for" : "by its policy")
    }

    /// What the host is to remember of its guests.
    var leaving: [Maintenance.Guest] {
        plan.steps.compactMap { step in
            let fate: Maintenance.Fate
            switch step.ending {
            case .move: fate = .moved
            case .save: fate = .saved
            case .stop: fate = .stopped
            default: return nil
            }
            return Maintenance.Guest(name: step.guest.name, uuid: step.guest.uuid, fate: fate)
        }
    }

    /// How many guests the host saves or restores at a time.
    var storageLimit: Int { max(1, limits.hosts[request.host]?.storage ?? 1) }
}

extension HostControl {
    /// Asks all hosts, and plans to empty one; changes nothing.
    ///
    /// - Parameters:
    ///   - request: the drain.
    ///   - note: told what is being done, for a live line.
    /// - Throws: `E-NOHOST`, `E-USAGE` for a guest that is not there, and the host's own error when
    ///   it does not answer.
    public func propose(
        _ request: DrainRequest, note: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(LivemigError) -> DrainProposal {
        for host in [request.host] + request.destinations { _ = try directory.host(host) }
        guard !request.destinations.contains(request.host) else {
            throw LivemigError(
                .sameHost, "\(request.host) is the host to drain", fix: "name other hosts with --to"
            )
        }
        let survey = await FleetSurvey.make(self)
        let member = try survey.member(request.host, directory)
        try Self.require(request, in: member.side)
        let forbidden =
            request.destinations.isEmpty
            ? [] : Set(directory.hosts.map(\.name)).subtracting(request.destinations)
        let fleet = survey.fleet { guest in
            guard guest.host == request.host else { return }
            guest.priority = request.priorities[guest.name] ?? guest.priority
            guest.rules.forbidden.formUnion(forbidden)
            guest.drain = request.policy(of: guest)
        }
        let rules = survey.compatibility(keepsPaused: request.template.policy.keepPaused)
        let plan = try await PairInspections.settle(survey, self, request.template, note) {
            findings throws(LivemigError) in
            try DrainPlan(
                draining: [request.host], in: findings.applied(to: fleet),
                compatibility: findings.joined(with: rules))
        } moves: {
            $0.moves
        }
        return DrainProposal(
            request: request, plan: plan,
            moves: survey.routed(plan.moves, by: request.template.policy.path),
            silent: survey.silent, limits: MoveQueue.Limits(of: fleet))
    }

    /// What is said of a guest that is not there is a mistake that nobody should find out later.
    private static func require(
        _ request: DrainRequest, in side: MoveSide
    ) throws(LivemigError) {
        let named = Set(request.actions.keys).union(request.fallbacks.keys)
            .union(request.priorities.keys)
        // What cannot be read stays, whether that was asked for or not.
        let staying = named.filter {
            request.actions[$0] == .leave && side.damaged.error(of: $0) != nil
        }
        for name in named.subtracting(staying).sorted(by: { $0.text < $1.text }) {
            _ = try side.machine(name)
        }
    }
}

extension DrainPlan {
    /// The live moves, in order; which networks they take is left open.
    var moves: [MoveQueue.Move] {
        steps.compactMap { step in
            guard case .move(let host, _) = step.ending else { return nil }
            return MoveQueue.Move(
                guest: step.guest.name, uuid: step.guest.uuid, from: step.guest.host, to: host,
                priority: step.guest.priority)
        }
    }
}
