import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A peer that is in other hands: it has a lane key of its own, and tries what it is not for.
@Suite(.serialized) struct PeerAttackTests {
    /// A lane that a peer opens with its own key, by OpenSSH's client.
    private final class Lane {
        var channel: FrameChannel<DescriptorChannel>
        private let client: ChildProcess

        init(from peer: TestHost, to host: TestHost) throws {
            let (mine, theirs) = try UnixSocket.pair(.stream).release()
            let far = OwnedDescriptor(owning: theirs)
            client = try ChildProcess(
                .init(
                    try Tool.path("ssh", package: "openssh-client"),
                    [
                        "-F", "/dev/null", "-i", "\(peer.root)/keys/id_ed25519", "-p",
                        String(host.ssh.port), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                        "-o", "LogLevel=ERROR", "\(host.ssh.user)@\(host.ssh.address)",
                        "livemig-agent lane",
                    ], descriptors: [0: far.number, 1: far.number]))
            channel = FrameChannel(
                try DescriptorChannel(
                    socket: OwnedDescriptor(owning: mine), stall: .seconds(20), at: "lane"),
                at: "lane")
            try channel.sendBanner(.agent)
            _ = try channel.receiveBanner()
        }

        deinit { client.end(grace: .zero) }

        /// Sends a message, which must be refused.
        func refusal(of message: some WireMessage) throws -> ErrorCode {
            try channel.send(message)
            let answer = try #require(try channel.receive())
            return try answer.decode(FailureMessage.self).error.code
        }
    }

    // Breaks when a peer joins a move that is not its own, though it knows the move's number and even
    // goes by the source's name, or when its attempt does the move any harm.
    @Test(.timeLimit(.minutes(1))) func othersMovesAreNotJoined() throws {
        let hosts = try TwoHosts()
        let mallory = try TestHost("mallory")
        try hosts.beta.trust(mallory)
        try hosts.start("fill=4MiB rate=1MiB/s")
        let keys: PublicKeyMessage = try hosts.alpha.agent().request(CreateKey())
        let facts = try hosts.alpha.agent().request(DescribeHost(), for: HostFactsMessage.self)
            .facts
        #expect(facts.laneKeys.count == keys.lines.count)
        let shown = try hosts.summary(on: hosts.alpha)
        func attack(_ attempt: Attempt) throws {
            for number in 0...1 {
                let lane = try Lane(from: mallory, to: hosts.beta)
                let hello = LaneHello(
                    attempt: attempt, uuid: shown.uuid, lane: number, lanes: 1)
                #expect(try lane.refusal(of: hello) == .peer)
            }
        }
        let move = try hosts.begin(
            from: hosts.alpha, to: hosts.beta, sourceKeys: facts.laneKeys,
            preparing: { attempt in
                try attack(attempt)
                // As another inventory's alpha.
                let own: PublicKeyMessage = try mallory.agent().request(CreateKey())
                _ = try hosts.beta.agent().request(
                    AuthorizePeer(
                        peer: hosts.alpha.name, keys: own.lines,
                        file: hosts.beta.ssh.folder.path("authorized_keys"),
                        agent: try BuildProducts.program("livemig-agent")),
                    for: DoneMessage.self)
                try attack(attempt)
                // No local user can read the move's number from the arguments of programs.
                let commands = hosts.beta.processes
                #expect(commands.contains { $0.contains("guard") })
                #expect(!commands.contains { $0.contains(attempt.migration.description) })
            })
        #expect(try move.finish().isRunning)
        try move.close()
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when a host that is closed, or closed to a peer, is measured or asked by it all the
    // same, or when a key that was withdrawn still logs in.
    @Test(.timeLimit(.minutes(1))) func theDoorKeepsToThePolicy() throws {
        let beta = try TestHost("beta")
        let mallory = try TestHost("mallory")
        try beta.trust(mallory)
        func probe() throws -> ErrorCode {
            let lane = try Lane(from: mallory, to: beta)
            return try lane.refusal(of: LaneProbe(number: 1))
        }
        func hello() throws -> ErrorCode {
            let lane = try Lane(from: mallory, to: beta)
            return try lane.refusal(
                of: LaneHello(
                    attempt: Attempt(migration: .random(), epoch: Epoch(1)), uuid: .random(),
                    lane: 0, lanes: 1))
        }
        func change(_ body: (inout HostPolicy) throws -> Void) throws {
            let agent = try beta.agent()
            let base = try agent.request(ShowPolicy(), for: HostPolicyMessage.self).settings.policy
            var policy = base
            try body(&policy)
            _ = try agent.request(
                ChangePolicy(base: base, policy: policy), for: HostPolicyMessage.self)
        }
        #expect(try hello() == .migrationID)
        try change { $0.isLiveMigrationEnabled = false }
        #expect(try probe() == .disabled)
        #expect(try hello() == .disabled)
        try change {
            $0.isLiveMigrationEnabled = true
            $0.peers = [try HostName("alpha")]
        }
        #expect(try probe() == .peer)
        #expect(try hello() == .peer)
        try change { $0.peers = [mallory.name] }
        let lane = try Lane(from: mallory, to: beta)
        try lane.channel.send(LaneProbe(number: 7))
        #expect(try lane.channel.receive()?.decode(LaneProbed.self).number == 7)
        let keys: PublicKeyMessage = try mallory.agent().request(CreateKey())
        let gone = try beta.agent().request(
            WithdrawPeer(
                peer: mallory.name, keys: keys.lines,
                file: beta.ssh.folder.path("authorized_keys")), for: PeersWithdrawn.self)
        #expect(gone.fingerprints.count == 2)
        #expect(throws: LivemigError.self) { _ = try Lane(from: mallory, to: beta) }
    }
}
