import MigrationModel
import WireProtocol

/// Makes the destination ready for a guest.
struct MovePreparation {
    let survey: MoveSurvey
    let vm: VMName
    let uuid: VMUUID
    /// The XML document, as the source has it.
    let definition: String
    let secret: Secret<UInt64>
    /// What takes the place of the guest's bridges.
    let networks: NetworkMap

    /// Readies the destination at the first epoch that neither host has used up.
    ///
    /// A preparation that was given up before the source began, such as when the controller died in
    /// between, has used its epoch up on the destination alone.
    /// - Returns: the attempt that the destination is ready for.
    /// - Throws: the destination's reason to refuse.
    func run(from first: Epoch) async throws(LivemigError) -> Attempt {
        let attempt = try await next(from: first)
        do throws(LivemigError) {
            try await prepare(attempt)
            return attempt
        } catch  where error.code == .migrationID {
            // Somebody else has prepared another attempt meanwhile.
            let next = try await next(from: first)
            guard next.epoch > attempt.epoch else { throw error }
            try await prepare(next)
            return next
        }
    }

    private func next(from first: Epoch) async throws(LivemigError) -> Attempt {
        let subject = Claims.Subject(uuid: uuid, name: vm, macs: [], images: [])
        let known = try await survey.destination.agent.claims(on: subject).epoch(of: uuid)
        let used = known.map { $0.next } ?? first
        guard let used else {
            throw LivemigError(
                .internal, "the epochs are used up", at: survey.destination.side.host.name.text)
        }
        return Attempt(migration: .random(), epoch: max(first, used))
    }

    private func prepare(_ attempt: Attempt) async throws(LivemigError) {
        let message = PrepareIncoming(
            attempt: attempt, definition: definition, secret: secret.exposed,
            source: survey.source.side.host.name, networks: networks,
            sourceKeys: survey.source.side.facts.laneKeys)
        _ = try await survey.destination.agent.request(
            message, for: Prepared.self, within: AgentConnection.startLimit + HostHook.limit)
    }
}
