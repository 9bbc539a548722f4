public import MigrationModel
import Preflight

extension HostControl {
    /// Finds everything that stands in the way of a move, or should be known before; changes
    /// nothing.
    ///
    /// - Parameter request: the move.
    /// - Throws: as `MoveSurvey.make`, when VM or hosts cannot be found or asked.
    public func check(_ request: MoveRequest) async throws(LivemigError) -> CompatibilityReport {
        let survey = try await MoveSurvey.make(request, self)
        do {
            let machine = try survey.source.side.machine(request.vm.name)
            let inspection = await MoveInspection.make(request, survey)
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
}

extension MoveInspection {
    /// Everything that rules, policies and hosts have found.
    ///
    /// - Parameters:
    ///   - path: how page data goes.
    ///   - rules: what a comparison of the hosts says.
    /// - Throws: why a host could not be asked.
    func findings(
        _ path: MigrationPolicy.Path, beside rules: [Finding]
    ) throws(LivemigError) -> [Finding] {
        let (outgoing, incoming) = (try stated(source.findings), try stated(destination.findings))
        // The destination knows its reserve and what it has promised, besides what is free.
        let isFull = incoming.contains { $0.kind == .error(.memory) }
        let others = rules.filter { !isFull || !$0.isAboutMemory }
        return try others + policies(path) + stated(definition.map { _ in [] })
            + joined(outgoing, incoming)
    }

    private func policies(_ path: MigrationPolicy.Path) throws(LivemigError) -> [Finding] {
        if case .success(let settings) = source.settings,
            case .success(let others) = destination.settings
        {
            return MoveTerms.findings(
                path, from: source.route(settings), to: destination.route(others))
        }
        return try stated(source.settings.map { _ in [] })
            + stated(destination.settings.map { _ in [] })
    }

    /// A refusal is a finding; whoever could not be asked has not been checked.
    private func stated(
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
