import MigrationModel

/// The fields that say how a move goes, which several messages share.
extension WireWriter {
    /// Appends where lanes go.
    mutating func peer(_ peer: StartOutgoing.Peer) {
        server(peer)
        list(peer.jumps) { $0.server($1) }
    }

    private mutating func server(_ peer: StartOutgoing.Peer) {
        text(peer.name)
        text(peer.address)
        integer(peer.port)
        text(peer.user)
        list(peer.hostKeys) { $0.text($1) }
    }

    /// Appends how a move behaves.
    mutating func policy(_ policy: MigrationPolicy) {
        duration(policy.maxDowntime)
        duration(policy.timeout)
        integer(policy.onTimeout.rawValue)
        optional(policy.bandwidth) { $0.integer($1.bytesPerSecond) }
        optional(policy.lanes) { $0.integer(UInt8(clamping: $1)) }
        integer(policy.compression.rawValue)
        integer(policy.path.rawValue)
        flag(policy.keepPaused)
        integer(policy.verification.rawValue)
    }
}

extension WireReader {
    /// Takes where lanes go.
    mutating func peer() throws(WireError) -> StartOutgoing.Peer {
        var peer = try server()
        peer.jumps = try list(limit: WireLimits.jumps) { (reader) throws(WireError) in
            try reader.server()
        }
        return peer
    }

    private mutating func server() throws(WireError) -> StartOutgoing.Peer {
        StartOutgoing.Peer(
            name: try text(limit: 64), address: try text(limit: 255), port: try integer(),
            user: try text(limit: 64),
            hostKeys: try list(limit: WireLimits.items) { (reader) throws(WireError) in
                try reader.text(limit: 64)
            })
    }

    /// Takes how a move behaves.
    mutating func policy() throws(WireError) -> MigrationPolicy {
        var policy = MigrationPolicy()
        policy.maxDowntime = try duration()
        policy.timeout = try duration()
        guard policy.maxDowntime > .zero, policy.timeout > .zero else { throw .field("time") }
        policy.onTimeout = try choice()
        policy.bandwidth = try optional { (reader) throws(WireError) in
            Bandwidth(bytesPerSecond: max(1, try reader.integer()))
        }
        policy.lanes = try optional { (reader) throws(WireError) in
            Int(try reader.integer(UInt8.self))
        }
        if let lanes = policy.lanes {
            guard (1...MigrationPolicy.laneLimit).contains(lanes) else { throw .field("lanes") }
        }
        policy.compression = try choice()
        policy.path = try choice()
        policy.keepPaused = try flag()
        policy.verification = try choice()
        return policy
    }
}
