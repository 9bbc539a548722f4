import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What a peer's key can do at a host, asked for by OpenSSH's own client.
@Suite(.serialized) struct GateTests {
    /// Asks beta's sshd for something with the key of alpha's agent.
    private func ask(
        _ hosts: TwoHosts, _ options: [String] = [], _ request: String?
    ) throws -> (status: Int32, output: String) {
        let ssh = hosts.beta.ssh
        return try Tool.outcome(
            try Tool.path("ssh", package: "openssh-client"),
            options + [
                "-F", "/dev/null", "-i", "\(hosts.alpha.root)/keys/id_ed25519", "-p",
                String(ssh.port), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                "LogLevel=ERROR",
            ] + ["\(ssh.user)@\(ssh.address)"] + (request.map { [$0] } ?? []))
    }

    // Breaks when the key of a peer runs anything but a lane, when a request is read by a shell, or
    // when a refusal is not one line of the log that says who asked for what.
    @Test(.timeLimit(.minutes(2))) func onlyLanesAreOpened() throws {
        let hosts = try TwoHosts()
        let mark = hosts.beta.ssh.folder.path("ran")
        let long = String(repeating: "x", count: 5000)
        let requests = [
            nil, "id", "livemig-agent", "livemig-agent serve --root \(hosts.beta.root)",
            "livemig-agent lane --attach 00000000000000000000000000000000",
            "livemig-agent  lane", "livemig-agent lane ", " livemig-agent lane",
            "livemig-agent lane; touch \(mark)", "$(touch \(mark))", "livemig-agent lane\n",
            "touch \(mark)", "internal-sftp", "\u{1B}[2Jred", long,
        ]
        for (number, request) in requests.enumerated() {
            let before = hosts.beta.log.split(separator: "\n").count
            let (status, output) = try ask(hosts, [], request)
            let words = (request ?? "a shell").prefix(60).description.debugDescription
            #expect(status == 64, "\(number) \(words): \(output)")
            #expect(output.contains("error[E-GATE]"), "\(number) \(words): \(output)")
            let lines = hosts.beta.log.split(separator: "\n")
            #expect(lines.count == before + 1, "\(number) \(words)")
            let line = lines.last ?? ""
            #expect(line.contains(#""alpha" opens lanes and nothing else"#), "\(line)")
            #expect(line.utf8.count < 800 && !line.utf8.contains(0x1B), "\(line)")
        }
        #expect(unsafe access(mark, F_OK) != 0)
        #expect(hosts.beta.log.contains("asked for a shell"))
        #expect(hosts.beta.log.contains(#"asked for "id""#))
    }

    // Breaks when a lane gets further without knowing a migration that is under way.
    @Test(.timeLimit(.minutes(1))) func lanesNameAMigration() throws {
        let attempt = Attempt(migration: .random(), epoch: Epoch(1))
        let hello = LaneHello(attempt: attempt, uuid: .random(), lane: 1, lanes: 1)
        try withLane { channel in
            try channel.send(hello)
            #expect(try Self.refusal(&channel).code == .migrationID)
        }
    }

    // Breaks when a connection that is opened to be measured takes anything but batches and
    // probes, or tells wrongly how much came.
    @Test(.timeLimit(.minutes(1))) func lanesAreMeasured() throws {
        try withLane { channel in
            try channel.send(LaneProbe(number: 7))
            let first = try #require(try channel.receive())
            let known = try first.decode(LaneProbed.self)
            #expect(known.number == 7 && known.bytes == 0 && known.host.utf8.count == 32)
            for _ in 0..<2 {
                var frame = [UInt8](repeating: 0xAB, count: FrameHeader.size + 1000)
                var span = frame.mutableSpan
                var bytes = unsafe span.mutableBytes
                try channel.send(frame: &bytes, type: .batch)
            }
            try channel.send(LaneProbe(number: 8))
            let second = try #require(try channel.receive())
            #expect(
                try second.decode(LaneProbed.self)
                    == LaneProbed(number: 8, bytes: 2000, host: known.host))
            try channel.send(RoundEnd(round: 0, batches: 0))
            #expect(try Self.refusal(&channel).code == .wire)
        }
    }

    private typealias Lane = FrameChannel<DescriptorChannel>

    /// Runs a lane of its own on a host, as sshd does, after the greetings.
    private func withLane(_ body: (inout Lane) throws -> Void) throws {
        let host = try TestHost("alpha")
        let (mine, theirs) = try UnixSocket.pair(.stream).release()
        let far = OwnedDescriptor(owning: theirs)
        var channel = FrameChannel(
            try DescriptorChannel(
                socket: OwnedDescriptor(owning: mine), stall: .seconds(20), at: "lane"),
            at: "lane")
        let lane = try ChildProcess(
            .init(
                BuildProducts.program("livemig-agent"),
                ["lane", "--root", host.root, "--peer", "beta"],
                environment: ["SSH_ORIGINAL_COMMAND": "livemig-agent lane"],
                descriptors: [0: far.number, 1: far.number]))
        defer { lane.end(grace: .zero) }
        try channel.sendBanner(.agent)
        _ = try channel.receiveBanner()
        try body(&channel)
    }

    private static func refusal(_ channel: inout Lane) throws -> LivemigError {
        let answer = try #require(try channel.receive())
        return try answer.decode(FailureMessage.self).error
    }

    // Breaks when a peer's key forwards ports or gets a terminal.
    @Test(.timeLimit(.minutes(1))) func nothingIsForwarded() throws {
        let hosts = try TwoHosts()
        let there = "\(hosts.beta.ssh.address):\(hosts.beta.ssh.port)"
        let (forwarded, said) = try ask(hosts, ["-W", there, "-o", "LogLevel=INFO"], nil)
        #expect(forwarded != 0)
        #expect(said.contains("prohibited"), "\(said)")
        let (_, terminal) = try ask(hosts, ["-tt"], "livemig-agent lane")
        #expect(terminal.contains("PTY allocation request failed"), "\(terminal)")
    }

    // Breaks when what the peer or the network brings along reaches the agent: the time zone shows
    // in the log. Breaks, too, when the log can be led elsewhere, or grows without end.
    @Test(.timeLimit(.minutes(1))) func surroundingsAreLeftBehind() throws {
        let host = try TestHost("alpha")
        try host.agent().close()
        func refuse() throws -> Int32 {
            try ChildProcess(
                .init(
                    BuildProducts.program("livemig-agent"),
                    ["lane", "--root", host.root, "--peer", "beta"],
                    environment: ["SSH_ORIGINAL_COMMAND": "id", "TZ": "XYZ-5"])
            ).wait()
        }
        #expect(try refuse() == 64)
        #expect(host.log.contains("asked for"))
        #expect(!host.log.contains("+0500"), "\(host.log)")

        let log = host.root + "/agent.log"
        try #require(unsafe truncate(log, 16 << 20) == 0)
        #expect(try refuse() == 64)
        var status = stat()
        #expect(unsafe stat(log, &status) == 0)
        #expect(status.st_size == 16 << 20)

        let elsewhere = host.ssh.folder.path("elsewhere")
        try host.ssh.folder.write("", to: "elsewhere")
        try #require(unsafe unlink(log) == 0 && symlink(elsewhere, log) == 0)
        #expect(try refuse() == 64)
        #expect(host.ssh.folder.read("elsewhere") == "")
    }
}
