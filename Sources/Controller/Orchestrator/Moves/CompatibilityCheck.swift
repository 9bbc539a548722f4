public import MigrationModel
import Preflight

extension HostControl {
    /// Finds everything that stands in the way of a move, or should be known before; changes
    /// nothing.
    ///
    /// A destination that cannot be asked is a finding, beside what the source finds alone.
    /// - Parameter request: the move.
    /// - Throws: as `MoveSurvey.find`, when VM or source cannot be found or asked.
    public func check(_ request: MoveRequest) async throws(LivemigError) -> CompatibilityReport {
        switch try await MoveSurvey.find(request, self) {
        case .both(let survey): return try await check(request, survey)
        case .sourceAlone(let source, let error):
            return try await check(request, leaving: source, unreached: error)
        }
    }

    private func check(
        _ request: MoveRequest, _ survey: MoveSurvey
    ) async throws(LivemigError) -> CompatibilityReport {
        do {
            let machine = try survey.source.side.machine(request.vm.name)
            let inspection = await MoveInspection.make(request, survey)
                .trying(request, survey)
            let rules = Preflight(
                moving: machine, from: survey.source.side.preflight,
                to: survey.destination.side.preflight, keepsPaused: request.policy.keepPaused)
            let findings = try inspection.findings(request.policy.path, beside: rules.findings)
            await survey.close()
            return CompatibilityReport(
                vm: machine.name, source: inspection.source.name,
                destination: inspection.destination.name, findings: findings)
        } catch {
            await survey.close()
            throw error
        }
    }

    private func check(
        _ request: MoveRequest, leaving source: MoveSurvey.Reached, unreached error: LivemigError
    ) async throws(LivemigError) -> CompatibilityReport {
        do {
            let machine = try source.side.machine(request.vm.name)
            let rules = SourceRules(
                machine: machine, source: source.side.preflight,
                keepsPaused: request.policy.keepPaused)
            let findings = try await MoveInspection.findings(request, leaving: source)
            await source.agent.close()
            return CompatibilityReport(
                vm: machine.name, source: source.side.host.name,
                destination: request.destination, findings: rules.findings + findings,
                unreached: error.named(request.destination))
        } catch {
            await source.agent.close()
            throw error
        }
    }
}

extension MoveInspection {
    /// What the source has found, and its policy says, where the destination cannot be asked.
    /// - Throws: why the source could not be asked.
    fileprivate static func findings(
        _ request: MoveRequest, leaving source: MoveSurvey.Reached
    ) async throws(LivemigError) -> [Finding] {
        let side = await Self.source(request, source, to: request.destination)
        var findings = try stated(
            side.settings.map { settings in
                MoveTerms.findings(to: request.destination, from: side.route(settings))
            })
        for var finding in try stated(side.findings) {
            finding.name(side.name, from: side.name, to: request.destination)
            findings.append(finding)
        }
        return findings
    }

    /// Everything that rules, policies and hosts have found.
    ///
    /// - Parameters:
    ///   - path: how page data goes.
    ///   - rules: what a comparison of the hosts says.
    /// - Throws: why a host could not be asked.
    func findings(
        _ path: MigrationPolicy.Path, beside rules: [Finding]
    ) throws(LivemigError) -> [Finding] {
        let outgoing = try Self.stated(source.findings)
        let incoming = try Self.stated(destination.findings)
        // The destination knows its reserve and what it has promised, besides what is free.
        let isFull = incoming.contains { $0.kind == .error(.memory) }
        let others = rules.filter { !isFull || !$0.isAboutMemory }
        return try others + policies(path) + Self.stated(definition.map { _ in [] })
            + joined(outgoing, incoming)
    }

    private func policies(_ path: MigrationPolicy.Path) throws(LivemigError) -> [Finding] {
        if case .success(let settings) = source.settings,
            case .success(let others) = destination.settings
        {
            return MoveTerms.findings(
                path, from: source.route(settings), to: destination.route(others))
        }
        return try Self.stated(source.settings.map { _ in [] })
            + Self.stated(destination.settings.map { _ in [] })
    }

    /// A refusal is a finding; whoever could not be asked has not been checked.
    private static func stated(
        _ findings: Result<[Finding], LivemigError>
    ) throws(LivemigError) -> [Finding] {
        do {
            return try findings.get()
        } catch {
            guard error.code.exitCode == .refused else { throw error }
            return [Finding(error)]
        }
    }
}

extension Finding {
    fileprivate var isAboutMemory: Bool {
        kind == .error(.memory) || kind == .warning(.memory)
    }
}

extension MoveSurvey {
    /// Ends both conversations.
    func close(grace: Duration = AgentConnection.closingLimit) async {
        async let source: Void = source.agent.close(grace: grace)
        async let destination: Void = destination.agent.close(grace: grace)
        _ = await (source, destination)
    }

    /// Gives both conversations back: nothing is under way in them.
    func release(to control: HostControl) async {
        async let source: Void = control.release(source.agent)
        async let destination: Void = control.release(destination.agent)
        _ = await (source, destination)
    }
}
