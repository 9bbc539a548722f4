public import MigrationModel
public import Planner

/// Opening a host to guests again, and bringing back those that left when it was drained.
public final class Resumption: Sendable {
    /// What a resumption would do, as everything is now.
    public struct Proposal: Sendable {
        /// The host.
        public let host: HostName
        /// Whether it is closed to guests now.
        public let isCordoned: Bool
        /// The guests that left when it was drained.
        public let remembered: [Maintenance.Guest]
        /// The moves that bring them back.
        public let plan: FailbackPlan
        /// The same moves, in the plan's order, as they are queued.
        public let moves: [MoveQueue.Move]
        /// The guests that are on the host, saved or stopped when it was drained, and are started.
        public let starts: [Maintenance.Guest]
        /// Hosts that did not answer, and why; guests there are not brought back.
        public let silent: [HostName: LivemigError]
        /// VMs that their hosts cannot read.
        let damaged: [DamagedMachine]
        let limits: MoveQueue.Limits
    }

    /// What came of it.
    public struct Outcome: Sendable {
        /// How each move of the plan ended, in its order.
        public let results: [MoveBatch.Result]
        /// The errors of the guests that could not be started.
        public let unstarted: [VMName: LivemigError]
        /// Guests that the plan could not bring back.
        public let blocked: [FailbackPlan.Blockage]
        /// Guests that no host has any more, as far as hosts answered.
        public let missing: [Maintenance.Guest]
    }

    /// The moves, whose events tell how far everything is.
    public let batch: MoveBatch
    private let proposal: Proposal
    private let control: HostControl
    private let unasked: Set<HostName>

    /// States a resumption as it was proposed; `run` makes it.
    ///
    /// - Parameter unasked: hosts that may be silent when guests are started.
    public init(
        _ proposal: Proposal, template: MoveTemplate, _ control: HostControl,
        unasked: Set<HostName> = []
    ) {
        self.proposal = proposal
        self.control = control
        self.unasked = unasked
        batch = MoveBatch(
            proposal.items, limits: proposal.limits, template: template, control: control)
    }

    /// Opens the host, brings its guests back, starts those that were saved or stopped, and forgets
    /// those that are there; called once.
    /// - Throws: when the host cannot be opened; nothing was moved then.
    public func run() async throws(LivemigError) -> Outcome {
        try await control.requireNobodyLeaves(proposal.host)
        _ = try await control.settings(of: proposal.host) { policy in
            policy.maintenance.isCordoned = false
        }
        let results = await batch.run()
        let unstarted = await control.each(
            of: proposal.starts.map(\.name), on: proposal.host, atMost: proposal.storageLimit,
            beside: batch, .starting, unasked: unasked)
        let away = Set(
            proposal.plan.blocked.map(\.guest.uuid) + proposal.plan.missing
                + zip(proposal.plan.steps, results).filter { $0.1.error != nil }
                .map(\.0.guest.uuid)
                + proposal.starts.filter { unstarted[$0.name] != nil }.map(\.uuid))
        _ = try await control.settings(of: proposal.host) { policy in
            policy.maintenance.guests.removeAll { !away.contains($0.uuid) }
        }
        return Outcome(
            results: results, unstarted: unstarted, blocked: proposal.plan.blocked,
            missing: proposal.missing)
    }
}

extension Resumption.Proposal {
    /// The guests that no host has any more, as far as hosts answered.
    public var missing: [Maintenance.Guest] {
        remembered.filter { plan.missing.contains($0.uuid) }
    }

    /// Why a guest that is missing is not brought back, in words that follow its name.
    public func words(ofMissing guest: Maintenance.Guest) -> String {
        let found = damaged.first { machine in
            machine.uuid.map { $0 == guest.uuid } ?? (machine.name == guest.name)
        }
        return found.map { "cannot be read: \($0.error.code.rawValue) \($0.error.explanation)" }
            ?? "is on no host that answers"
    }

    /// How many guests the host restores at a time.
    var storageLimit: Int { max(1, limits.hosts[host]?.storage ?? 1) }

    var items: [MoveBatch.Item] {
        zip(moves, plan.steps).map { move, step in MoveBatch.Item(move, after: step.after) }
    }
}

extension FailbackPlan {
    /// The moves, in order; which networks they take is left open.
    fileprivate var moves: [MoveQueue.Move] {
        steps.map { step in
            MoveQueue.Move(
                guest: step.guest.name, uuid: step.guest.uuid, from: step.from, to: step.to,
                priority: step.guest.priority)
        }
    }
}

extension Resumption.Outcome {
    /// The exit code: that of the guest that fared worst.
    public var exitCode: ExitCode {
        let ofMoves = (results.compactMap(\.error) + unstarted.values).map(\.code.exitCode)
        let others: [ExitCode] = blocked.isEmpty && missing.isEmpty ? [] : [.refused]
        return .worst(of: ofMoves + others)
    }
}

extension HostControl {
    /// Asks all hosts, and plans the way back to one; changes nothing.
    ///
    /// - Parameters:
    ///   - name: the host.
    ///   - template: how the moves behave.
    ///   - note: told what is being done, for a live line.
    /// - Throws: `E-NOHOST`, `E-BUSY` while guests leave it, and the host's own error when it does
    ///   not answer.
    public func proposeResumption(
        of name: HostName, template: MoveTemplate,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(LivemigError) -> Resumption.Proposal {
        try await requireNobodyLeaves(name)
        let survey = await FleetSurvey.make(self)
        let maintenance = try survey.member(name, directory).settings.policy.maintenance
        var fleet = survey.fleet()
        for index in fleet.hosts.indices where fleet.hosts[index].name == name {
            fleet.hosts[index].isCordoned = false
        }
        let here = Set(
            fleet.guests.filter { $0.host == name && !$0.holdsMemory }.map(\.uuid))
        let starts = maintenance.guests.filter { $0.fate != .moved && here.contains($0.uuid) }
        let started = Set(starts.map(\.uuid))
        let homes = Dictionary(
            maintenance.guests.filter { !started.contains($0.uuid) }.map { ($0.uuid, name) },
            uniquingKeysWith: { first, _ in first })
        let (way, rules) = (fleet, survey.compatibility(keepsPaused: template.policy.keepPaused))
        let plan = try await PairInspections.settle(survey, self, template, note) { findings in
            FailbackPlan(
                to: homes, in: findings.applied(to: way),
                compatibility: findings.joined(with: rules))
        } moves: { plan in
            // A guest that makes a detour is not there yet for the rest of its way.
            zip(plan.moves, plan.steps).filter { $0.1.from == $0.1.guest.host }.map(\.0)
        }
        return Resumption.Proposal(
            host: name, isCordoned: maintenance.isCordoned, remembered: maintenance.guests,
            plan: plan, moves: survey.routed(plan.moves, by: template.policy.path),
            starts: starts, silent: survey.silent,
            damaged: fleet.damaged.values.flatMap { $0 }, limits: MoveQueue.Limits(of: fleet))
    }

    /// Opens a host to guests, and forgets who has left.
    /// - Returns: the VMs that are saved there, which stay so.
    /// - Throws: `E-BUSY` while guests leave it, and the host's own error.
    public func open(_ name: HostName) async throws(LivemigError) -> [String] {
        try await requireNobodyLeaves(name)
        _ = try await settings(of: name) { policy in policy.maintenance.resume() }
        let machines = try await talk(to: try directory.host(name)) {
            agent async throws(LivemigError) in
            try await agent.machines().machines
        }
        return machines.filter { $0.state == .saved }.map(\.name).sorted()
    }

    /// Insists that a closed host is not being drained: who leaves after it was opened would not be
    /// remembered, and would leave an open host.
    func requireNobodyLeaves(_ name: HostName) async throws(LivemigError) {
        let settings = try await settings(of: name) { _ in }
        guard settings.policy.maintenance.isCordoned, settings.outgoing > 0 else { return }
        let count = settings.outgoing
        throw LivemigError(
            .busy,
            "\(name) is being drained: \(count) guest\(count == 1 ? " leaves" : "s leave") it",
            at: name.text,
            fix: "wait for the end of the drain, or interrupt it with Ctrl-C, then resume the host")
    }
}
