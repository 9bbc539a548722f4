import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// A destination that other hosts reach only through a jump host.
@Suite(.serialized) struct PeerJumpTests {
    private struct Failure: Decodable {
        let code, fix: String
    }

    private let hosts: TwoHosts
    private let gate: SSHServerFixture
    private let someone: Operator

    init() throws {
        hosts = try TwoHosts(trusting: false)
        gate = try SSHServerFixture()
        someone = try Operator()
        try someone.add(hosts.alpha)
        try someone.add(
            hosts.beta, .init(peerJump: "\(gate.user)@127.0.0.1:\(gate.port)"))
        _ = unsafe mkdir(someone.folder.path(".ssh"), 0o700)
    }

    /// The lines that a refusal asks for, put where it says.
    private func obey(_ failure: Failure) throws {
        let lines = failure.fix.split(separator: ": ").dropFirst().map {
            $0.hasSuffix(" and") ? String($0.dropLast(4)) : String($0)
        }
        #expect(lines.count == 2 && lines.allSatisfy { $0.hasPrefix("restrict,") }, "\(failure)")
        let known = gate.folder.read("authorized_keys")
        try gate.folder.write(
            known + lines.joined(separator: "\n") + "\n", to: "authorized_keys")
    }

    // Breaks when lanes go past the jump host, its key is not looked at, or the lines that are asked
    // for do not let lanes through.
    @Test(.timeLimit(.minutes(2))) func lanesGoThrough() throws {
        let unknown = try someone.run("host", "trust", "alpha", "beta")
        unknown.expect(.hostKeyUnknown, "known_hosts")
        try someone.folder.write(
            "[127.0.0.1]:\(gate.port) \(gate.folder.read("host.pub"))", to: ".ssh/known_hosts")
        let refused = try someone.run("host", "trust", "alpha", "beta", "--output", "json")
        let failure = try #require(try refused.decode(Failure.self).last, "\(refused)")
        #expect(failure.code == "E-AUTH" && refused.errors.contains("beta through"), "\(refused)")
        // Nothing stays of a trust that leads nowhere.
        #expect(!hosts.beta.ssh.folder.read("authorized_keys").contains("--peer alpha"))
        try obey(failure)
        try someone.succeed("host", "trust", "alpha", "beta")

        try hosts.start("fill=16MiB rate=1MiB/s")
        try someone.succeed("check", "guest", "--to", "beta")
        let before = gate.logins
        try someone.succeed("move", "guest", "--to", "beta", "--lanes", "2")
        #expect(gate.logins == before + 3, "\(gate.log)")
        #expect(try hosts.beta.differingPages() == "0")
        // The other way round there is nobody in between.
        try someone.succeed("move", "guest", "--to", "alpha")
        #expect(gate.logins == before + 3, "\(gate.log)")
    }

    // Breaks when a line of the jump host's leads elsewhere than to the destination's sshd, or a jump
    // host that has gone is passed by.
    @Test(.timeLimit(.minutes(2))) func nothingElseIsReached() throws {
        try someone.folder.write(
            "[127.0.0.1]:\(gate.port) \(gate.folder.read("host.pub"))", to: ".ssh/known_hosts")
        let refused = try someone.run("host", "trust", "alpha", "beta", "--output", "json")
        try obey(try #require(try refused.decode(Failure.self).last, "\(refused)"))
        let permitted = "permitopen=\"127.0.0.1:\(hosts.beta.ssh.port)\""
        let lines = gate.folder.read("authorized_keys")
        #expect(lines.contains(permitted))
        try gate.folder.write(
            lines.replacing(permitted, with: "permitopen=\"127.0.0.1:1\""), to: "authorized_keys")
        let closed = try someone.run("host", "trust", "alpha", "beta")
        closed.expect(.disconnected, "AllowTcpForwarding")

        try gate.folder.write(lines, to: "authorized_keys")
        try someone.succeed("host", "trust", "alpha", "beta")
        try hosts.start("fill=4MiB")
        kill(gate.processID, SIGKILL)
        let gone = try someone.run("move", "guest", "--to", "beta")
        gone.expect(.connect, "beta through")
        gone.expectRunning(on: "alpha")
    }
}
