import MigrationModel
import WireProtocol

/// What the policies of both hosts make of a move that is asked for.
struct MoveTerms: Sendable {
    /// How the move behaves.
    let policy: MigrationPolicy
    /// Where the source finds the destination.
    let peer: StartOutgoing.Peer

    /// Refuses what one of the hosts would refuse, before either has changed anything.
    ///
    /// - Parameters:
    ///   - request: the move.
    ///   - source: where the VM is.
    ///   - destination: where it goes.
    ///   - peer: the destination as the inventory has it.
    /// - Throws: `E-DISABLED`, `E-PEER`, `E-CORDONED`, `E-BUSY`, `E-NET`.
    init(
        _ request: MoveRequest, from source: LaneRoute.Side, to destination: LaneRoute.Side,
        peer: StartOutgoing.Peer
    ) throws(LivemigError) {
        try Self.admit(destination.name, at: source)
        try Self.admit(source.name, at: destination)
        try Self.admitGuests(to: destination)
        try Self.checkLimit(leaving: source)
        try Self.checkLimit(comingTo: destination)
        var policy = request.policy
        if request.takesCompressionOfHost {
            policy.compression = source.settings.policy.compression
        }
        var peer = peer
        // A network that both hosts are on needs nobody in between.
        if let address = try Self.address(policy.path, from: source, to: destination) {
            peer.address = address.description
            peer.jumps = []
        }
        self.policy = policy
        self.peer = peer
    }

    /// Everything that the policies say against a move, where `init` stops at the first.
    ///
    /// - Parameters:
    ///   - path: how page data goes.
    ///   - source: where the VM is.
    ///   - destination: where it goes.
    static func findings(
        _ path: MigrationPolicy.Path, from source: LaneRoute.Side, to destination: LaneRoute.Side
    ) -> [Finding] {
        var findings: [Finding] = []
        findings.note { () throws(LivemigError) in try admit(destination.name, at: source) }
        findings.note { () throws(LivemigError) in try admit(source.name, at: destination) }
        findings.note { () throws(LivemigError) in try admitGuests(to: destination) }
        findings.note { () throws(LivemigError) in
            _ = try address(path, from: source, to: destination)
        }
        return findings
            + slots { () throws(LivemigError) in try checkLimit(leaving: source) }
            + slots { () throws(LivemigError) in try checkLimit(comingTo: destination) }
    }

    /// What the source's policy alone says against a move.
    ///
    /// - Parameters:
    ///   - destination: where the VM goes.
    ///   - source: where it is.
    static func findings(to destination: HostName, from source: LaneRoute.Side) -> [Finding] {
        var findings: [Finding] = []
        findings.note { () throws(LivemigError) in try admit(destination, at: source) }
        return findings + slots { () throws(LivemigError) in try checkLimit(leaving: source) }
    }

    /// That a host has as many moves under way as it allows is a warning: it passes.
    private static func slots(_ check: () throws(LivemigError) -> Void) -> [Finding] {
        var found: [Finding] = []
        found.note(check)
        for index in found.indices { found[index].kind = .warning(.slots) }
        return found
    }

    private static func admit(
        _ peer: HostName, at side: LaneRoute.Side
    ) throws(LivemigError) {
        try side.settings.policy.admit(peer: peer.text, at: side.name.text)
    }

    private static func admitGuests(to side: LaneRoute.Side) throws(LivemigError) {
        try side.settings.policy.maintenance.admit(at: side.name.text)
    }

    /// Where lanes go, if not where the inventory says.
    private static func address(
        _ path: MigrationPolicy.Path, from source: LaneRoute.Side, to destination: LaneRoute.Side
    ) throws(LivemigError) -> IPAddress? {
        switch path {
        case .direct: return try LaneRoute.best(from: source, to: destination)?.address
        case .relay:
            // The connections of this machine go where the inventory says.
            try source.settings.policy.admit(address: nil, at: source.name.text)
            try destination.settings.policy.admit(address: nil, at: destination.name.text)
            return nil
        }
    }

    private static func checkLimit(leaving side: LaneRoute.Side) throws(LivemigError) {
        try checkLimit(side.settings.outgoing, side, .outgoing)
    }

    private static func checkLimit(comingTo side: LaneRoute.Side) throws(LivemigError) {
        try checkLimit(side.settings.incoming, side, .incoming)
    }

    private static func checkLimit(
        _ count: Int, _ side: LaneRoute.Side, _ direction: MoveDirection
    ) throws(LivemigError) {
        let way = direction == .outgoing ? "away from" : "to"
        let most = side.settings.policy.liveMoves
        guard count >= most else { return }
        throw LivemigError(
            .busy, "\(count) of \(most) live moves \(way) \(side.name) are under way",
            at: side.name.text,
            fix: "wait for an end, or raise --live-moves of livemig host settings",
            fullSlots: direction)
    }
}

extension StartOutgoing.Peer {
    /// A host as the inventory has it.
    /// - Throws: why other hosts cannot be told the way.
    init(_ host: HostRecord) throws(LivemigError) {
        if let obstacle = host.access.peerObstacle { throw obstacle }
        self.init(server: host)
        jumps = host.access.peerJumps.map(Self.init(server:))
    }

    private init(server host: HostRecord) {
        self.init(
            name: host.name.text, address: host.address, port: UInt16(clamping: host.port),
            user: host.user, hostKeys: host.hostKeys)
    }
}
