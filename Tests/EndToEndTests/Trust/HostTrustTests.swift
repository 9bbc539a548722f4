import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// `livemig host trust` and `untrust` on hosts as other people have set them up.
@Suite(.serialized) struct HostTrustTests {
    private func keys(_ host: TestHost) -> String { host.ssh.folder.read("authorized_keys") }

    private func grants(_ host: TestHost) -> [Substring] {
        keys(host).split(separator: "\n").filter { $0.contains("command=") }
    }

    // Breaks when a file that is a link and has 900 keys of others loses one of them, or the operator
    // is locked out.
    @Test(.timeLimit(.minutes(1))) func othersKeysStay() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        let folder = hosts.beta.ssh.folder
        let own = folder.read("authorized_keys")
        let others = (0..<900).map {
            "ssh-rsa \(String(repeating: "A", count: 500)) user\($0)\n"
        }
        try folder.write(others.joined() + own, to: "managed")
        try #require(
            unsafe unlink(folder.path("authorized_keys")) == 0
                && symlink("managed", folder.path("authorized_keys")) == 0)
        let before = folder.read("managed")
        let trust = try someone.succeed("host", "trust", "alpha", "beta")
        #expect(trust.lines == ["alpha and beta trust each other for data lanes"])
        #expect(folder.read("managed").hasPrefix(before))
        try someone.succeed("host", "check", "beta")
        // The line says where the peer comes from, and which key it has.
        let line = try #require(folder.read("managed").split(separator: "\n").last)
        #expect(line.contains(",from=\"127.0.0.1") && line.contains("--key SHA256:"), "\(line)")
        let untrust = try someone.succeed("host", "untrust", "alpha", "beta")
        #expect(untrust.output.contains("beta no longer accepts alpha's keys SHA256:"))
        #expect(untrust.output.contains("alpha no longer accepts beta's keys SHA256:"))
        #expect(folder.read("managed") == before)
        let again = try someone.succeed("host", "untrust", "alpha", "beta")
        #expect(again.output.contains("beta accepts no key of alpha"))
    }

    /// What keeps a peer's key from leading to the gate, and what `trust` says.
    static let obstacles: [(options: [String], code: ErrorCode, words: String)] = [
        (["ForceCommand eval \"$SSH_ORIGINAL_COMMAND\""], .gate, "ForceCommand"),
        (
            ["Match User root", "ForceCommand eval \"$SSH_ORIGINAL_COMMAND\""], .gate,
            "ForceCommand"
        ),
        (["AuthorizedKeysFile {client} /nonexistent"], .authentication, "refused all 2 keys"),
    ]

    // Breaks when a server that runs something else for a peer's key, or does not look at the file,
    // is found out by the first move instead, or the file keeps a line that is of no use.
    @Test(.timeLimit(.minutes(1)), arguments: obstacles.indices)
    func keysAreTried(_ index: Int) throws {
        let (options, code, words) = Self.obstacles[index]
        // A server that knows the operator's key alone.
        let scratch = try ScratchFolder()
        let client = scratch.path("only")
        let beta = try TestHost(
            "beta", sshOptions: options.map { $0.replacing("{client}", with: client) })
        try scratch.write(beta.ssh.folder.read("client.pub"), to: "only")
        let hosts = try TwoHosts(alpha: TestHost("alpha"), beta: beta, trusting: false)
        let someone = try Operator(hosts)
        let before = [keys(hosts.alpha), keys(hosts.beta)]
        let trust = try someone.run("host", "trust", "alpha", "beta")
        trust.expect(code, words, "beta")
        #expect([keys(hosts.alpha), keys(hosts.beta)] == before, "\(trust)")
        if code == .gate {
            let doctor = try someone.run("doctor", "beta")
            #expect(doctor.output.contains("gate: ForceCommand \"eval"), "\(doctor)")
            #expect(doctor.status == ExitCode.refused.rawValue)
        }
    }

    // Breaks when an operator's own restriction of a line is taken away, or one that keeps lanes out
    // is not found.
    @Test(.timeLimit(.minutes(1))) func restrictionsOfOthersCount() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try someone.succeed("host", "trust", "alpha", "beta", "--one-way")
        #expect(grants(hosts.alpha).isEmpty && grants(hosts.beta).count == 2)
        let tied = keys(hosts.beta).replacing("restrict,", with: "from=\"10.9.9.9\",restrict,")
            .replacing(",from=\"127.0.0.1", with: ",expiry-time=\"20990101\",from=\"127.0.0.1")
        // sshd takes no two.
        let lines = tied.split(separator: "\n").map { line in
            guard let own = line.firstRange(of: ",from=\"127") else { return String(line) }
            let end = line[own.upperBound...].firstIndex(of: "\"") ?? line.endIndex
            return String(line[..<own.lowerBound] + line[line.index(after: end)...])
        }
        try hosts.beta.ssh.folder.write(
            lines.joined(separator: "\n") + "\n", to: "authorized_keys")
        let before = keys(hosts.beta)
        try someone.run("host", "trust", "alpha", "beta", "--one-way").expect(
            .authentication, "refused all 2 keys", "beta")
        #expect(keys(hosts.beta) == before)
        try hosts.beta.ssh.folder.write(
            before.replacing("10.9.9.9", with: "127.0.0.0/8"), to: "authorized_keys")
        try someone.succeed("host", "trust", "alpha", "beta", "--one-way")
        let line = try #require(grants(hosts.beta).first)
        #expect(line.hasPrefix("from=\"127.0.0.0/8\",restrict,command="), "\(line)")
        #expect(line.contains(",expiry-time=\"20990101\" "), "\(line)")
        #expect(line.split(separator: "from=").count == 1, "\(line)")
    }

    // Breaks when a root that was moved to another disk, with a link in its place, is no longer the one
    // that peers' keys were let in to: they could be neither used nor withdrawn.
    @Test(.timeLimit(.minutes(1))) func rootBehindALink() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try someone.succeed("host", "trust", "alpha", "beta")
        try hosts.start("fill=4MiB")
        let root = hosts.beta.root
        let disk = root + ".disk"
        try #require(unsafe rename(root, disk) == 0 && symlink(disk, root) == 0)
        defer { _ = unsafe (unlink(root), rename(disk, root)) }
        let check = try someone.succeed("check", "guest", "--to", "beta")
        #expect(check.lines == ["guest: alpha → beta can be moved"], "\(check)")
        try someone.succeed("host", "trust", "alpha", "beta")
        let folder = hosts.beta.ssh.folder
        func granted() -> Int {
            folder.read("authorized_keys").split(separator: "--peer").count - 1
        }
        #expect(granted() > 0)
        try someone.succeed("host", "untrust", "alpha", "beta")
        #expect(granted() == 0)
    }

    // Breaks when a host that is taken out of the inventory can still open lanes to the others, or
    // hosts that cannot be asked are passed over in silence.
    @Test(.timeLimit(.minutes(1))) func removedHostsAreNotTrusted() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try someone.succeed("host", "trust", "alpha", "beta")
        try someone.add(
            hosts.beta, .init(name: "gone", port: try SSHServerFixture.freePort()))
        let untrust = try someone.run("host", "untrust", "alpha", "gone")
        untrust.expect(.connect, "gone may still accept the key of alpha")
        let remove = try someone.succeed("host", "remove", "alpha")
        #expect(remove.errors.contains("note: gone may still accept the key of alpha"))
        #expect(grants(hosts.beta).isEmpty)
        #expect(grants(hosts.alpha).count == 2)
    }
}
