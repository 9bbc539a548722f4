import MigrationModel
import Testing
import WireProtocol

@testable import Orchestrator

private func side(
    _ name: String, addresses: [String] = [], change: (inout HostSettings) -> Void = { _ in }
) throws -> LaneRoute.Side {
    var settings = HostSettings(
        policy: HostPolicy(), memoryReserve: .mebibytes(512), outgoing: 0, incoming: 0,
        promised: ByteCount(0), addresses: addresses.compactMap { IPAddress($0) })
    change(&settings)
    return LaneRoute.Side(name: try HostName(name), networks: [], settings: settings)
}

private func terms(
    from source: LaneRoute.Side, to destination: LaneRoute.Side,
    _ change: (inout MoveRequest) -> Void = { _ in }
) throws -> MoveTerms {
    var request = MoveRequest(
        vm: VMReference(name: try VMName("web1")), to: try HostName("beta"),
        takesCompressionOfHost: true)
    change(&request)
    return try MoveTerms(
        request, from: source, to: destination,
        peer: StartOutgoing.Peer(
            name: "beta", address: "beta.example", port: 22, user: "root", hostKeys: []))
}

@Suite("The terms of a move")
struct MoveTermsTests {
    // Breaks when a move that both hosts allow is changed, or its page data goes elsewhere.
    @Test("by default nothing is changed")
    func defaults() throws {
        let terms = try terms(from: side("alpha"), to: side("beta"))
        #expect(terms.policy == MigrationPolicy())
        #expect(terms.peer.address == "beta.example")
    }

    // Breaks when a host's refusal is found out only once the other has prepared the move.
    @Test("either host can refuse")
    func refusals() throws {
        let stranger = try HostName("gamma")
        let refusals: [(ErrorCode, (inout HostSettings) -> Void)] = [
            (.disabled, { $0.policy.isLiveMigrationEnabled = false }),
            (.peer, { $0.policy.peers = [stranger] }),
            (.busy, { ($0.outgoing, $0.incoming) = (2, 2) }),
            (.network, { $0.policy.allowsAnyNetwork = false }),
        ]
        for (code, change) in refusals {
            let atSource = #expect(throws: LivemigError.self) {
                try terms(from: side("alpha", change: change), to: side("beta"))
            }
            #expect(atSource?.code == code)
            #expect(atSource?.place.contains("alpha") == true)
            let atDestination = #expect(throws: LivemigError.self) {
                try terms(from: side("alpha"), to: side("beta", change: change))
            }
            #expect(atDestination?.code == code)
            #expect(atDestination?.place.contains("beta") == true)
            // Only a refusal for slots may be tried again, and only where they are full.
            #expect(atSource?.fullSlots == (code == .busy ? .outgoing : nil))
            #expect(atDestination?.fullSlots == (code == .busy ? .incoming : nil))
        }
        // What comes to the source, and leaves the destination, does not count.
        _ = try terms(
            from: side("alpha") { $0.incoming = 9 }, to: side("beta") { $0.outgoing = 9 })
    }

    // Breaks when the source's codec is not used, or one of the command line is overruled.
    @Test("the source's compression is the default")
    func compression() throws {
        let source = try side("alpha") { $0.policy.compression = .zstd }
        let destination = try side("beta") { $0.policy.compression = .lz4 }
        #expect(try terms(from: source, to: destination).policy.compression == .zstd)
        let own = try terms(from: source, to: destination) { request in
            request.takesCompressionOfHost = false
            request.policy.compression = .lz4
        }
        #expect(own.policy.compression == .lz4)
    }

    // Breaks when lanes do not take the network, or relayed ones leave those they are bound to.
    @Test("page data takes the migration network")
    func network() throws {
        let network = try MigrationNetwork(parsing: "10.77.0.0/24")
        let source = try side("alpha", addresses: ["10.0.0.1", "10.77.0.1"])
        let destination = try side("beta", addresses: ["10.0.0.2", "10.77.0.2"]) {
            $0.policy.add(network)
        }
        #expect(try terms(from: source, to: destination).peer.address == "10.77.0.2")
        let relayed = try terms(from: source, to: destination) { $0.policy.path = .relay }
        #expect(relayed.peer.address == "beta.example")
        let strict = try side("beta", addresses: ["10.77.0.2"]) {
            $0.policy.add(network)
            $0.policy.allowsAnyNetwork = false
        }
        #expect(try terms(from: source, to: strict).peer.address == "10.77.0.2")
        let error = #expect(throws: LivemigError.self) {
            try terms(from: source, to: strict) { $0.policy.path = .relay }
        }
        #expect(error?.code == .network)
    }
}
