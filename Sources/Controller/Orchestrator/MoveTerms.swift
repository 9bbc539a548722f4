import MigrationModel
import WireProtocol

/// What the policies of both hosts make of a move that is asked for.
struct MoveTerms: Sendable {
    /// How the move behaves.
    let policy: MigrationPolicy
    /// Where the source finds the destination.
    let peer: StartOutgoing.Peer

    /// Asks both hosts.
    /// - Throws: as `init`, and a host's error about its own policy.
    static func agree(
        on request: MoveRequest, _ survey: MoveSurvey
    ) async throws(LivemigError) -> MoveTerms {
        try MoveTerms(
            request, from: side(survey.source, try await survey.source.agent.settings()),
            to: side(survey.destination, try await survey.destination.agent.settings()),
            peer: StartOutgoing.Peer(survey.destination.side.host))
    }

    private static func side(
        _ reached: MoveSurvey.Reached, _ settings: HostSettings
    ) -> LaneRoute.Side {
        let host = reached.side.host
        return LaneRoute.Side(
            name: host.name, networks: host.migrationNetworks, settings: settings)
    }

    /// Refuses what one of the hosts would refuse, before either has changed anything.
    ///
    /// - Parameters:
    ///   - request: the move.
    ///   - source: where the VM is.
    ///   - destination: where it goes.
    ///   - peer: the destination as the inventory has it.
    /// - Throws: `E-DISABLED`, `E-PEER`, `E-BUSY`, `E-NET`.
    init(
        _ request: MoveRequest, from source: LaneRoute.Side, to destination: LaneRoute.Side,
        peer: StartOutgoing.Peer
    ) throws(LivemigError) {
        let policies = (source.settings.policy, destination.settings.policy)
        try policies.0.admit(peer: destination.name.text, at: source.name.text)
        try policies.1.admit(peer: source.name.text, at: destination.name.text)
        try Self.checkLimit(source.settings.outgoing, policies.0, "away from", source.name)
        try Self.checkLimit(destination.settings.incoming, policies.1, "to", destination.name)
        var policy = request.policy
        if request.takesCompressionOfHost { policy.compression = policies.0.compression }
        var peer = peer
        switch policy.path {
        case .direct:
            let address = try LaneRoute.address(from: source, to: destination)
            peer.address = address?.description ?? peer.address
        case .relay:
            // The connections of this machine go where the inventory says.
            try policies.0.admit(address: nil, at: source.name.text)
            try policies.1.admit(address: nil, at: destination.name.text)
        }
        self.policy = policy
        self.peer = peer
    }

    private static func checkLimit(
        _ count: Int, _ policy: HostPolicy, _ way: String, _ host: HostName
    ) throws(LivemigError) {
        guard count >= policy.liveMoves else { return }
        throw LivemigError(
            .busy, "\(count) of \(policy.liveMoves) live moves \(way) \(host) are under way",
            at: host.text, fix: "wait for an end, or raise --live-moves of livemig host settings")
    }
}

extension StartOutgoing.Peer {
    /// A host as the inventory has it.
    init(_ host: HostRecord) {
        self.init(
            name: host.name.text, address: host.address, port: UInt16(clamping: host.port),
            user: host.user, hostKeys: host.hostKeys)
    }
}
