import MigrationModel
import Planner

/// What hosts themselves find against moves that a plan would make, each pair of guest and
/// destination asked once.
///
/// A plan is made by rules that ask nobody; the hosts then look at disks, bridges, trust and
/// hypervisors of the moves in it, and what they refuse the next plan leaves out. Used by one task.
struct PairInspections {
    /// A guest and where it would go.
    struct Pair: Hashable {
        let guest: VMUUID
        let host: HostName
    }

    /// What has been found.
    struct Findings {
        /// Errors of pairs.
        fileprivate(set) var refusals: [Pair: LivemigError] = [:]
        /// Errors of guests, wherever they go.
        fileprivate(set) var obstacles: [VMUUID: LivemigError] = [:]

        /// A fleet in which guests that cannot leave are known.
        func applied(to fleet: Fleet) -> Fleet {
            var fleet = fleet
            for index in fleet.guests.indices {
                guard let error = obstacles[fleet.guests[index].uuid] else { continue }
                fleet.guests[index].obstacles.append(error)
            }
            return fleet
        }

        /// Rules, and what hosts have found besides.
        func joined(
            with rules: @escaping Placement.Compatibility
        ) -> Placement.Compatibility {
            let refusals = refusals
            return { guest, host in
                rules(guest, host) ?? refusals[Pair(guest: guest.uuid, host: host.name)]
            }
        }
    }

    private let survey: FleetSurvey
    private let control: HostControl
    private let template: MoveTemplate
    private let note: @Sendable (String) -> Void
    private var agents: [HostName: Result<AgentConnection, LivemigError>] = [:]
    private var asked: Set<Pair> = []
    /// Sources and destinations between which a way was tried, and why there is none.
    private var tried: Set<[HostName]> = []
    private var ways: [[HostName]: LivemigError] = [:]
    private var findings = Findings()

    /// Makes a plan, asks the hosts about its moves, and makes it again without what they refuse,
    /// until they refuse nothing more.
    ///
    /// - Parameters:
    ///   - survey: the hosts.
    ///   - control: the way to them.
    ///   - template: how the moves behave.
    ///   - note: told what is being done, for a live line.
    ///   - make: makes a plan from what was found so far.
    ///   - moves: the moves of a plan.
    static func settle<Plan: Sendable>(
        _ survey: FleetSurvey, _ control: HostControl, _ template: MoveTemplate,
        _ note: @escaping @Sendable (String) -> Void,
        make: (Findings) throws(LivemigError) -> Plan, moves: (Plan) -> [MoveQueue.Move]
    ) async throws(LivemigError) -> Plan {
        var inspections = PairInspections(survey, control, template, note)
        do throws(LivemigError) {
            while true {
                let plan = try make(inspections.findings)
                let fresh = moves(plan).filter { !inspections.asked.contains($0.pair) }
                if fresh.isEmpty {
                    await inspections.close()
                    return plan
                }
                await inspections.ask(about: fresh)
            }
        } catch {
            await inspections.close()
            throw error
        }
    }

    private init(
        _ survey: FleetSurvey, _ control: HostControl, _ template: MoveTemplate,
        _ note: @escaping @Sendable (String) -> Void
    ) {
        self.survey = survey
        self.control = control
        self.template = template
        self.note = note
    }

    private mutating func ask(about moves: [MoveQueue.Move]) async {
        for (number, move) in moves.enumerated() {
            note("checking \(move.guest) on \(move.to), \(number + 1) of \(moves.count)")
            asked.insert(move.pair)
            do throws(LivemigError) {
                try await inspect(move)
            } catch {
                findings.refusals[move.pair] = error
            }
        }
    }

    /// Asks both hosts about one move.
    /// - Throws: what speaks against this destination.
    private mutating func inspect(_ move: MoveQueue.Move) async throws(LivemigError) {
        let source = try await reach(move.from)
        let destination = try await reach(move.to)
        let pair = MoveSurvey(source: source, destination: destination)
        let request = template.request(for: move)
        var inspection = await MoveInspection.make(request, pair)
        // The way between two hosts is the same for all guests.
        if tried.insert([move.from, move.to]).inserted {
            inspection = await inspection.trying(request, pair)
            ways[[move.from, move.to]] = inspection.path.lazy.compactMap(\.error).first
        }
        if let error = ways[[move.from, move.to]] { throw error }
        let outgoing = try inspection.source.findings.get()
        for case let error? in outgoing.map(\.error) where error.isForPlan {
            findings.obstacles[move.uuid] = error
            return
        }
        let all = inspection.joined(outgoing, try inspection.destination.findings.get())
        for case let error? in all.map(\.error) where error.isForPlan { throw error }
    }

    private mutating func reach(
        _ name: HostName
    ) async throws(LivemigError) -> MoveSurvey.Reached {
        let member = try survey.member(name, control.directory)
        if let known = agents[name] {
            return MoveSurvey.Reached(agent: try known.get(), side: member.side)
        }
        let opened: Result<AgentConnection, LivemigError>
        do throws(LivemigError) {
            opened = .success(try await control.dialer.open(member.side.host))
        } catch {
            opened = .failure(error)
        }
        agents[name] = opened
        return MoveSurvey.Reached(agent: try opened.get(), side: member.side)
    }

    private func close() async {
        await withTaskGroup(of: Void.self) { group in
            for case .success(let agent) in agents.values {
                group.addTask { await agent.close() }
            }
        }
    }
}

extension LivemigError {
    /// Whether a plan can leave a destination out for it.
    ///
    /// Plans reckon with memory themselves, and with that which other moves will have freed. A key
    /// that is not found is left to sshd, which may know keys from elsewhere.
    fileprivate var isForPlan: Bool { code != .memory && code != .authentication }
}

extension MoveQueue.Move {
    fileprivate var pair: PairInspections.Pair {
        PairInspections.Pair(guest: uuid, host: to)
    }
}
