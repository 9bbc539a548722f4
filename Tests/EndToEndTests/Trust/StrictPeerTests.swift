import MigrationModel
import TestSupport
import Testing

/// Moves between hosts whose SSH servers take one kind of key alone.
@Suite(.serialized) struct StrictPeerTests {
    private let keys: ScratchFolder
    private let someone: Operator

    init() throws {
        keys = try ScratchFolder()
        someone = try Operator()
    }

    /// A host that takes a kind of user key, and none of its own but one of that kind.
    private func host(_ name: String, _ type: String, _ options: [String]) throws -> TestHost {
        let print = try SSHServerFixture.makeKey(keys, name, type: type)
        _ = try SSHServerFixture.makeKey(keys, "operator-\(name)", type: type)
        let host = try TestHost(
            name, sshOptions: options + ["HostKey \(keys.path(name))"])
        try host.ssh.folder.write(keys.read("operator-\(name).pub"), to: "authorized_keys")
        try someone.add(
            host, .init(identity: keys.path("operator-\(name)"), hostKey: print))
        return host
    }

    // Breaks when peers have no key but Ed25519, or a host key of another kind is not found.
    @Test("ECDSA and NIST curves alone", .timeLimit(.minutes(1)))
    func ecdsa() throws {
        let options = [
            "KexAlgorithms ecdh-sha2-nistp256,ecdh-sha2-nistp384",
            "Ciphers aes256-ctr,aes256-gcm@openssh.com", "HostKeyAlgorithms ecdsa-sha2-nistp256",
            "PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256",
        ]
        let hosts = try TwoHosts(
            alpha: host("alpha", "ecdsa", options), beta: host("beta", "ecdsa", options),
            trusting: false)
        try someone.succeed("host", "trust", "alpha", "beta")
        try hosts.start("fill=4MiB rate=1MiB/s", memory: 32)
        let before = hosts.beta.ssh.logins
        try someone.succeed("check", "guest", "--to", "beta")
        try someone.succeed("move", "guest", "--to", "beta", "--lanes", "2")
        #expect(try hosts.beta.differingPages() == "0")
        // The source has logged in by itself: for the look, the link and the lanes.
        #expect(hosts.beta.ssh.logins >= before + 4)
        #expect(!hosts.beta.ssh.log.contains("ssh2: ED25519"))
    }

    // Breaks when `trust` or `check` promise a move that no key of the source can make, or do not
    // say which kinds of keys it has.
    @Test("RSA alone", .timeLimit(.minutes(1))) func rsa() throws {
        let options = [
            "HostKeyAlgorithms rsa-sha2-512", "PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256",
        ]
        let hosts = try TwoHosts(
            alpha: host("alpha", "ed25519", []), beta: host("beta", "rsa", options),
            trusting: false)
        let before = hosts.beta.ssh.folder.read("authorized_keys")
        let trust = try someone.run("host", "trust", "alpha", "beta", "--one-way")
        trust.expect(
            .authentication, "refused all 2 keys", "PubkeyAcceptedAlgorithms",
            "ssh-ed25519 or ecdsa-sha2-nistp256")
        #expect(hosts.beta.ssh.folder.read("authorized_keys") == before)

        // Lines that somebody else has put there: the advice leads to the words above.
        let words = ["refused all 2 keys", "run livemig host trust alpha beta"]
        try hosts.beta.trust(hosts.alpha)
        try hosts.start("fill=4MiB rate=1MiB/s", memory: 32)
        let check = try someone.run("check", "guest", "--to", "beta")
        #expect(check.status == ExitCode.refused.rawValue, "\(check)")
        #expect(words.allSatisfy(check.output.contains), "\(check)")
        let move = try someone.run("move", "guest", "--to", "beta")
        #expect(move.status != 0 && words.allSatisfy(move.errors.contains), "\(move)")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
    }
}
