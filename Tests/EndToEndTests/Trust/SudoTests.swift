import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Hosts that one logs in to as a user who becomes root by sudo.
///
/// Needs root, to make such a user.
@Suite(.serialized) struct SudoTests {
    /// A user of this machine with a home of its own, and what sudo lets it do; gone with the value.
    private final class Account {
        let name = "lm" + String(UInt32.random(in: .min ... .max), radix: 16)
        let home: String
        private var rules: String { "/etc/sudoers.d/livemig-\(name)" }

        init() throws {
            home = "/var/tmp/livemig-\(name)"
            // A password that nothing matches: sshd refuses users whose account is locked.
            try Tool.run(
                "useradd", package: "passwd",
                ["-m", "-d", home, "-s", "/bin/sh", "-p", "*", name])
        }

        deinit {
            _ = unsafe unlink(rules)
            _ = try? Tool.run("userdel", package: "passwd", ["-f", "-r", name])
        }

        func allow(_ text: String) throws {
            _ = unsafe unlink(rules)
            let file = try OwnedDescriptor.open(rules, O_WRONLY | O_CREAT | O_EXCL, mode: 0o440)
            try DescriptorIO.write(Array(text.replacing("USER", with: name).utf8), to: file.number)
            _ = fchmod(file.number, 0o440)
        }

        /// Lets a key log in.
        func accept(_ publicKey: String) throws {
            let folder = home + "/.ssh"
            try SystemCall.check("mkdir", at: folder) { unsafe mkdir(folder, 0o700) }
            let path = folder + "/authorized_keys"
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT)
            try DescriptorIO.write(Array(publicKey.utf8), to: file.number)
            try Tool.run("chown", package: "coreutils", ["-R", "\(name):", folder])
        }
    }

    // Breaks when a user with sudo cannot do all that root can, when peers' lanes do not pass sudo, or
    // when what is missing in sudo's rules is not said.
    @Test(.timeLimit(.minutes(2))) func usersBecomeRoot() throws {
        let sudo = try Tool.path("sudo", package: "sudo")
        #expect(unsafe access(sudo, X_OK) == 0)
        let account = try Account()
        let options = ["AuthorizedKeysFile %h/.ssh/authorized_keys", "SetEnv LANG=C"]
        let beta = try TestHost("beta", sshOptions: options)
        try account.accept(beta.ssh.folder.read("client.pub"))
        let hosts = try TwoHosts(alpha: TestHost("alpha"), beta: beta, trusting: false)
        let someone = try Operator()
        try someone.add(hosts.alpha)
        let agent = try BuildProducts.program("livemig-agent")
        try someone.succeed(
            "host", "add", "beta", "--address", "127.0.0.1", "--port", String(beta.ssh.port),
            "--user", account.name, "--become", "sudo", "--identity", beta.ssh.clientKey,
            "--root", beta.root, "--agent", agent, "--host-key", beta.ssh.hostKey)
        let shown = try someone.succeed("host", "show", "beta", "--output", "json")
        #expect(shown.output.contains(#""become":"sudo""#), "\(shown)")

        let denied = try someone.run("host", "check", "beta")
        denied.expect(.become, "NOPASSWD: AGENT serve *", "beta")
        try account.allow("USER ALL=(root) NOPASSWD: \(agent) serve *\n")
        try someone.succeed("host", "check", "beta")
        let half = try someone.run("host", "trust", "alpha", "beta")
        half.expect(.become, "a password is required", "AGENT lane *", "beta")
        try account.allow("USER ALL=(root) NOPASSWD: \(agent) serve *, \(agent) lane *\n")
        try someone.succeed("host", "trust", "alpha", "beta")

        // The user's own file has the line, and is still the user's.
        var status = stat()
        let file = account.home + "/.ssh/authorized_keys"
        #expect(unsafe lstat(file, &status) == 0 && status.st_uid != 0)
        let text = ProcessFiles.text(file)
        #expect(text.contains("command=\"\(agent) lane --become sudo --root "), "\(text)")

        try hosts.start("fill=8MiB rate=1MiB/s")
        try someone.succeed("move", "guest", "--to", "beta")
        #expect(try hosts.beta.differingPages() == "0")
        let relayed = try someone.run("move", "guest", "--to", "alpha", "--path", "relay")
        #expect(relayed.status == 0, "\(relayed)")

        // The gate is where it was: what the peer asks for is compared before sudo runs anything.
        let (refused, said) = try Tool.outcome(
            try Tool.path("ssh", package: "openssh-client"),
            [
                "-F", "/dev/null", "-i", "\(hosts.alpha.root)/keys/id_ed25519", "-p",
                String(beta.ssh.port), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "\(account.name)@127.0.0.1", "id; -x $(id)",
            ])
        #expect(refused == 64 && said.contains("E-GATE") && !said.contains("uid="), "\(said)")
        #expect(beta.log.contains("id; -x $(id)"))

        try account.allow("Defaults:USER requiretty\nUSER ALL=(root) NOPASSWD: \(agent)\n")
        let terminal = try someone.run("host", "check", "beta")
        terminal.expect(.become, "tty", "!requiretty", "beta")
    }
}
