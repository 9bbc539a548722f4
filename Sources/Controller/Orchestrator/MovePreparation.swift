import MigrationModel
import WireProtocol

/// Makes the destination ready for a guest.
struct MovePreparation {
    let survey: MoveSurvey
    let vm: VMName
    /// The XML document, as the source has it.
    let definition: String
    let secret: Secret<UInt64>
    /// What takes the place of the guest's bridges.
    let networks: NetworkMap

    /// How many epochs may be used up on the destination alone.
    private static let epochLimit = 8

    /// Readies the destination at the first epoch that neither host has used up.
    ///
    /// A preparation that was given up before the source began, such as when the controller died in
    /// between, has used its epoch up on the destination alone.
    /// - Returns: the attempt that the destination is ready for.
    /// - Throws: the destination's reason to refuse, or the source's.
    func run(from first: Epoch) async throws(LivemigError) -> Attempt {
        var attempt = Attempt(migration: .random(), epoch: first)
        for _ in 0..<Self.epochLimit {
            do throws(LivemigError) {
                try await prepare(attempt)
                return attempt
            } catch {
                guard error.code == .migrationID, let next = attempt.epoch.next else { throw error }
                try await useUp(attempt)
                attempt = Attempt(migration: .random(), epoch: next)
            }
        }
        throw LivemigError(
            .migrationID, "\(Self.epochLimit) epochs in a row are used up on the destination",
            at: survey.destination.side.host.name.text, fix: "move again")
    }

    private func prepare(_ attempt: Attempt) async throws(LivemigError) {
        let message = PrepareIncoming(
            attempt: attempt, definition: definition, secret: secret.exposed,
            source: survey.source.side.host.name, networks: networks)
        _ = try await survey.destination.agent.request(
            message, for: Prepared.self, within: AgentConnection.startLimit + HostHook.limit)
    }

    /// Lets the source begin an attempt that the destination has given up already, which the source
    /// then gives up as well; the guest runs on.
    private func useUp(_ attempt: Attempt) async throws(LivemigError) {
        let agent = survey.source.agent
        agent.send(
            StartOutgoing(
                name: vm, attempt: attempt, secret: secret.exposed,
                definition: StartOutgoing.checksum(of: definition),
                peer: StartOutgoing.Peer(survey.destination.side.host), policy: MigrationPolicy()))
        let failure = try await failure(of: agent)
        // An attempt that can still commit must not be overtaken on the destination.
        guard try await agent.show(vm).summary.right.hasPassed(attempt) else { throw failure }
    }

    private func failure(of agent: AgentConnection) async throws(LivemigError) -> LivemigError {
        while true {
            let message = try Migration.message(try await agent.receive(), agent.host.name)
            if case .failed(let error)? = message { return error }
        }
    }
}
