import MigrationModel
import Preflight
import WireProtocol

/// What both hosts say for themselves before a move: their settings, the definition, and what each
/// finds; nothing is changed.
struct MoveInspection: Sendable {
    /// A host's answers.
    struct Side: Sendable {
        let name: HostName
        let networks: [MigrationNetwork]
        let settings: Result<HostSettings, LivemigError>
        let findings: Result<[Finding], LivemigError>
        /// The bridges of the guest's interfaces, as the host has them.
        var bridges: [BridgeFacts?] = []
        /// What it sees of the VM's images.
        var images: [ImageFacts] = []

        /// The host as the choice of a route sees it.
        func route(_ settings: HostSettings) -> LaneRoute.Side {
            LaneRoute.Side(name: name, networks: networks, settings: settings)
        }
    }

    let source: Side
    let destination: Side
    /// The XML document, as the source has it.
    let definition: Result<String, LivemigError>
    /// What the source has found when it tried the way to the destination.
    private(set) var path: [Finding] = []

    /// Asks both hosts at once, each one thing after the other.
    ///
    /// - Parameters:
    ///   - request: the move.
    ///   - survey: the hosts.
    static func make(_ request: MoveRequest, _ survey: MoveSurvey) async -> MoveInspection {
        let (source, destination) = (survey.source, survey.destination)
        async let theirs = destination.settings()
        // The destination looks at the definition, so that it is asked for first.
        let shown = await source.definition(of: request.vm.name)
        let theirSettings = await theirs
        async let incoming = destination.incoming(shown, from: survey, request)
        let ours = await Self.source(request, source, to: destination.side.host.name)
        return MoveInspection(
            source: ours, destination: destination.answers(theirSettings, await incoming),
            definition: shown)
    }

    /// What the source says, one thing after the other.
    ///
    /// - Parameters:
    ///   - request: the move.
    ///   - source: where the VM is.
    ///   - destination: where it goes.
    static func source(
        _ request: MoveRequest, _ source: MoveSurvey.Reached, to destination: HostName
    ) async -> Side {
        let settings = await source.settings()
        let outgoing = await source.inspection(
            InspectOutgoing(
                name: request.vm.name, peer: destination, path: request.policy.path,
                keys: source.side.host.authorizedKeys))
        return source.answers(settings, outgoing)
    }

    /// What both policies make of the move.
    /// - Throws: as `MoveTerms.init`, and a host's error about its own policy.
    func terms(
        _ request: MoveRequest, _ survey: MoveSurvey
    ) throws(LivemigError) -> MoveTerms {
        try MoveTerms(
            request, from: source.route(try source.settings.get()),
            to: destination.route(try destination.settings.get()),
            peer: try StartOutgoing.Peer(survey.destination.side.host))
    }

    /// Lets the source open a lane to the destination, and adds what it finds.
    ///
    /// Hosts that do not trust each other, or must not, have nothing to try.
    func trying(
        _ request: MoveRequest, _ survey: MoveSurvey
    ) async -> MoveInspection {
        let found = ((try? source.findings.get()) ?? []) + ((try? destination.findings.get()) ?? [])
        guard request.policy.path == .direct, let terms = try? terms(request, survey),
            !found.contains(where: { $0.kind == .error(.authentication) })
        else { return self }
        var copy = self
        let question = ProbePath(
            peer: terms.peer, identity: survey.destination.side.facts.identity)
        switch await survey.source.inspection(question) {
        case .success(let answer): copy.path = answer.findings
        case .failure(let error): copy.path = [Finding(error)]
        }
        return copy
    }

    /// Refuses what a host has found to stand in the way.
    ///
    /// Before a move that is made, a key that is not found is left to sshd, which may know keys from
    /// elsewhere than the file that was looked at: it is asked anyway.
    /// - Parameter isDryRun: whether nothing follows that would find it out.
    /// - Returns: the warnings.
    /// - Throws: the first error, or why a host could not be asked.
    func admit(isDryRun: Bool) throws(LivemigError) -> [Finding] {
        let findings = joined(try source.findings.get(), try destination.findings.get())
        for case let error? in findings.map(\.error)
        where isDryRun || error.code != .authentication {
            throw error
        }
        return findings.filter { $0.error == nil }
    }

    /// What the hosts have found, each thing once, saying which host has found it.
    ///
    /// - Parameters:
    ///   - outgoing: what the source says.
    ///   - incoming: what the destination says.
    func joined(_ outgoing: [Finding], _ incoming: [Finding]) -> [Finding] {
        // Both look at the definition.
        let others = incoming.filter { !outgoing.contains($0) }
        let seen = ImageRules.joined(
            outgoing, others, source: source.images, destination: destination.images)
        return (outgoing + path).map { named($0, source.name) }
            + seen.map { named($0, destination.name) }
            + BridgeRules.findings(source.bridges, destination.bridges)
    }

    private func named(_ finding: Finding, _ host: HostName) -> Finding {
        var finding = finding
        finding.name(host, from: source.name, to: destination.name)
        return finding
    }
}

extension Finding {
    /// Adds what only somebody who knows both hosts' names can say.
    mutating func name(_ host: HostName, from source: HostName, to destination: HostName) {
        place = host.among(place)
        if kind == .error(.authentication) || kind == .warning(.trust) {
            fix = "run livemig host trust \(source) \(destination)"
        }
    }
}

extension MoveSurvey.Reached {
    fileprivate func settings() async -> Result<HostSettings, LivemigError> {
        do throws(LivemigError) {
            return .success(try await agent.settings())
        } catch {
            return .failure(error)
        }
    }

    fileprivate func definition(of name: VMName) async -> Result<String, LivemigError> {
        do throws(LivemigError) {
            return .success(try await agent.show(name).definition)
        } catch {
            return .failure(error)
        }
    }

    fileprivate func inspection(
        _ question: some WireMessage
    ) async -> Result<Inspection, LivemigError> {
        do throws(LivemigError) {
            return .success(try await agent.request(question, for: Inspection.self))
        } catch {
            return .failure(error)
        }
    }

    /// Without a definition there is nothing to ask.
    fileprivate func incoming(
        _ definition: Result<String, LivemigError>, from survey: MoveSurvey, _ request: MoveRequest
    ) async -> Result<Inspection, LivemigError> {
        guard case .success(let definition) = definition else { return .success(Inspection([])) }
        let source = survey.source.side
        let isRunning = source.machines.contains {
            $0.name == request.vm.name.text && $0.state == .running
        }
        return await inspection(
            InspectIncoming(
                definition: definition, source: source.host.name, isRunning: isRunning,
                path: request.policy.path, keys: side.host.authorizedKeys,
                networks: request.networks, usesAllNetworks: request.usesAllNetworks))
    }

    fileprivate func answers(
        _ settings: Result<HostSettings, LivemigError>,
        _ inspection: Result<Inspection, LivemigError>
    ) -> MoveInspection.Side {
        MoveInspection.Side(
            name: side.host.name, networks: side.host.migrationNetworks, settings: settings,
            findings: inspection.map(\.findings),
            bridges: (try? inspection.get().bridges) ?? [],
            images: (try? inspection.get().images) ?? [])
    }
}
