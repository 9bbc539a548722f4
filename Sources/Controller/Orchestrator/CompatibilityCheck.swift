public import MigrationModel
import Preflight
import WireProtocol

extension HostControl {
    /// Finds everything that stands in the way of a move, or should be known before; changes
    /// nothing.
    ///
    /// - Parameter request: the move.
    /// - Throws: as `MoveSurvey.make`, when VM or hosts cannot be found or asked.
    public func check(_ request: MoveRequest) async throws(LivemigError) -> CompatibilityReport {
        let survey = try await MoveSurvey.make(request, self)
        do {
            let report = try await survey.report(on: request)
            await survey.close()
            return report
        } catch {
            await survey.close()
            throw error
        }
    }
}

extension MoveSurvey {
    /// What the rules find, and what each host finds for itself.
    func report(on request: MoveRequest) async throws(LivemigError) -> CompatibilityReport {
        let (from, to) = (source.side, destination.side)
        let machine = try from.machine(request.vm.name)
        let rules = Preflight(
            moving: machine, from: from.preflight, to: to.preflight,
            keepsPaused: request.policy.keepPaused)
        async let outgoing = source.agent.findings(
            InspectOutgoing(
                name: request.vm.name, peer: to.host.name, path: request.policy.path,
                keys: from.host.authorizedKeys))
        let definition = try await source.agent.show(request.vm.name).definition
        let incoming = await destination.agent.findings(
            InspectIncoming(
                definition: definition, source: from.host.name,
                isRunning: machine.state == .running, path: request.policy.path,
                keys: to.host.authorizedKeys))
        return CompatibilityReport(
            vm: machine.name, source: from.host.name, destination: to.host.name,
            findings: Self.joined(rules.findings, try await outgoing.get(), try incoming.get()))
    }

    /// Both hosts look at the definition: what they agree on is said once.
    private static func joined(_ parts: [Finding]...) -> [Finding] {
        var seen: Set<Finding> = []
        return parts.joined().filter { seen.insert($0).inserted }
    }

    /// Ends both conversations.
    func close(grace: Duration = AgentConnection.closingLimit) async {
        async let source: Void = source.agent.close(grace: grace)
        async let destination: Void = destination.agent.close(grace: grace)
        _ = await (source, destination)
    }
}

extension AgentConnection {
    /// Asks a host what it finds, naming the host in what is about no other place.
    fileprivate func findings(
        _ question: some WireMessage
    ) async -> Result<[Finding], LivemigError> {
        do throws(LivemigError) {
            let answer = try await request(question, for: Inspection.self)
            return .success(
                answer.findings.map { finding in
                    var finding = finding
                    if finding.place.isEmpty { finding.place = host.name.text }
                    return finding
                })
        } catch {
            return .failure(error)
        }
    }
}
