import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Hosts as an operator's SSH knows them: by ssh_config, known_hosts and jump hosts, and with keys
/// that are confirmed at a terminal.
@Suite(.serialized) struct HostAccessTests {
    private let host: TestHost
    private let someone: Operator

    init() throws {
        host = try TestHost("alpha")
        someone = try Operator()
        _ = unsafe mkdir(someone.folder.path(".ssh"), 0o700)
    }

    /// Writes an inventory that says nothing but where the host's programs are.
    private func writeInventory(_ attributes: String, keys: [String] = []) throws {
        let agent = try BuildProducts.program("livemig-agent")
        let pins = keys.map { "<hostKey>\($0)</hostKey>" }.joined()
        try someone.folder.write(
            """
            <livemig version="1"><host name="alpha" root="\(host.root)" agent="\(agent)"
            \(attributes)>\(pins)</host></livemig>
            """, to: "hosts.xml")
    }

    private func writeConfiguration(_ text: String) throws {
        try someone.folder.write(text, to: ".ssh/config")
    }

    private func knownLine(_ name: String, marker: String = "") -> String {
        let key = host.ssh.folder.read("host.pub").split(separator: " ").prefix(2)
        return "\(marker)\(name) \(key.joined(separator: " "))\n"
    }

    private func check(_ arguments: String...) throws -> CommandResult {
        try someone.begin(["host", "check", "alpha"] + arguments).finish()
    }

    // Breaks when ssh_config is not read, is obeyed against the inventory, or known_hosts is not
    // believed.
    @Test("a host of ssh_config and known_hosts", .timeLimit(.minutes(1)))
    func configuration() throws {
        try writeConfiguration(
            """
            Host box
              HostName 127.0.0.1
              Port \(host.ssh.port)
              User \(host.ssh.user)
              IdentityFile \(host.ssh.clientKey)
            """)
        try writeInventory("address=\"box\"")
        let unknown = try check()
        #expect(unknown.status == 4 && unknown.errors.contains("E-HOSTKEY-UNKNOWN"), "\(unknown)")
        try someone.folder.write(
            knownLine("[127.0.0.1]:\(host.ssh.port)"), to: ".ssh/known_hosts")
        #expect(try check().status == 0)
        // Without these settings there is no key to log in with.
        #expect(try check("--ssh-config", "none").status == 4)

        // What the inventory says wins: nobody listens there.
        try writeInventory("address=\"box\" port=\"\(try SSHServerFixture.freePort())\"")
        #expect(try check().status == 5)

        // A key that is revoked is refused, pinned or not.
        try writeInventory("address=\"box\"", keys: [host.ssh.hostKey])
        try someone.folder.write(knownLine("*", marker: "@revoked "), to: ".ssh/known_hosts")
        let revoked = try check()
        #expect(revoked.status == 4 && revoked.errors.contains("revoked"), "\(revoked)")
    }

    // Breaks when what decides whether a host is reached is passed over, or reached for others.
    @Test("settings that cannot be followed are named", .timeLimit(.minutes(1)))
    func unsupported() throws {
        try writeInventory(
            "address=\"127.0.0.1\" port=\"\(host.ssh.port)\" identity=\"\(host.ssh.clientKey)\"",
            keys: [host.ssh.hostKey])
        try writeConfiguration("Host alpha\nProxyCommand nc %h %p\n")
        let refused = try check()
        #expect(refused.status == 4, "\(refused)")
        #expect(refused.errors.contains("E-SSHCONFIG") && refused.errors.contains("ProxyCommand"))
        try writeConfiguration("Host other\nProxyCommand nc %h %p\n")
        #expect(try check().status == 0)
        _ = unsafe chmod(someone.folder.path(".ssh/config"), 0o666)
        #expect(try check().errors.contains("others may write"))
        _ = unsafe chmod(someone.folder.path(".ssh/config"), 0o600)
        try writeConfiguration("Port\n")
        #expect(try check().errors.contains(".ssh/config:1"))
    }

    // Breaks when the host is reached past the jump host, or the jump host's key is not looked at.
    @Test("through a jump host", .timeLimit(.minutes(1)))
    func jump() throws {
        let bastion = try SSHServerFixture()
        try writeInventory(
            "address=\"127.0.0.1\" port=\"\(host.ssh.port)\" identity=\"\(host.ssh.clientKey)\"",
            keys: [host.ssh.hostKey])
        try writeConfiguration(
            """
            Host bastion
              HostName 127.0.0.1
              Port \(bastion.port)
              User \(bastion.user)
              IdentityFile \(bastion.clientKey)
            Match originalhost alpha
              ProxyJump bastion
            """)
        let unknown = try check()
        #expect(unknown.errors.contains("alpha through bastion"), "\(unknown)")
        #expect(unknown.errors.contains("known_hosts"))
        try someone.folder.write(
            "[127.0.0.1]:\(bastion.port) \(bastion.folder.read("host.pub"))",
            to: ".ssh/known_hosts")
        #expect(try check().status == 0)
        #expect(bastion.log.contains("direct-tcpip") || bastion.logins == 1)
        let before = bastion.logins
        #expect(before >= 1)
        #expect(try check().status == 0)
        #expect(bastion.logins > before)
    }

    // Breaks when a key is trusted without a word, its fingerprint not shown, or settings get lost.
    @Test("keys are shown and confirmed; a new one is followed", .timeLimit(.minutes(1)))
    func pin() throws {
        let words = [
            "host", "add", "alpha", "--address", "127.0.0.1", "--port", String(host.ssh.port),
            "--user", host.ssh.user, "--identity", host.ssh.clientKey, "--root", host.root,
            "--agent", try BuildProducts.program("livemig-agent"), "--login-timeout", "20s",
        ]
        let unasked = try someone.begin(words).finish()
        #expect(unasked.status == 4, "\(unasked)")
        #expect(unasked.errors.contains("--host-key \(host.ssh.hostKey)"), "\(unasked)")

        let screen = try TerminalScreen(someone, words, columns: 150, rows: 24)
        _ = try screen.wait(for: "question") { lines in
            lines.contains { $0.contains("Trust these keys for alpha?") }
                && lines.contains { $0.contains(host.ssh.hostKey) }
        }
        try screen.press("y", "Enter")
        _ = try screen.wait(for: "end") { $0.contains { $0.contains("ended with 0") } }
        #expect(try check().status == 0)

        let other = "SHA256:" + String(repeating: "A", count: 43)
        #expect(try someone.run("host", "pin", "alpha", "--host-key", other).status == 0)
        let changed = try check()
        #expect(changed.status == 4 && changed.errors.contains("livemig host pin alpha"))
        #expect(try someone.run("host", "pin", "alpha").status == 4)
        let answer = try TerminalScreen(someone, ["host", "pin", "alpha"], columns: 150, rows: 24)
        _ = try answer.wait(for: "both keys") { lines in
            lines.contains { $0.contains("pinned") && $0.contains(other) }
                && lines.contains { $0.contains("shows") && $0.contains(host.ssh.hostKey) }
                && lines.contains { $0.contains("[y/N]") }
        }
        try answer.press("y", "Enter")
        _ = try answer.wait(for: "end") { $0.contains { $0.contains("ended with 0") } }
        #expect(try check().status == 0)
        let inventory = someone.folder.read("hosts.xml")
        #expect(inventory.contains("loginTimeout=\"20000ms\"") && inventory.contains(host.root))
    }

    // Breaks when no passphrase is asked for, it is shown, or a key without a terminal is garbage.
    @Test("a key with a passphrase", .timeLimit(.minutes(1)))
    func passphrase() throws {
        let keygen = try ChildProcess(
            .init(
                "/usr/bin/ssh-keygen",
                ["-q", "-p", "-P", "", "-N", "sesame", "-f", host.ssh.clientKey]))
        #expect(keygen.wait() == 0)
        try writeInventory(
            "address=\"127.0.0.1\" port=\"\(host.ssh.port)\" identity=\"\(host.ssh.clientKey)\"",
            keys: [host.ssh.hostKey])
        // A session of its own has no terminal (setsid(2)).
        let alone = try someone.begin(
            program: "/usr/bin/setsid",
            ["-w", try BuildProducts.program("livemig"), "host", "check", "alpha"]
        ).finish()
        alone.expect(
            .key, "has a passphrase, and there is no terminal", host.ssh.clientKey, "ssh-add")
        let screen = try TerminalScreen(
            someone, ["host", "check", "alpha"], columns: 150, rows: 24)
        for answer in ["wrong", "sesame"] {
            _ = try screen.wait(for: "question") { lines in
                lines.last?.contains("Passphrase for") == true
            }
            try screen.press(answer, "Enter")
            _ = try screen.wait(for: "answer") { lines in
                lines.contains { $0.contains("not the passphrase") || $0.contains("ended with") }
            }
        }
        let lines = try screen.wait(for: "end") { $0.contains { $0.contains("ended with 0") } }
        #expect(!lines.contains { $0.contains("sesame") || $0.contains("wrong") }, "\(lines)")
    }

    // Breaks when ConnectTimeout of ssh_config does not count, or wins against the inventory.
    @Test("ConnectTimeout of ssh_config", .timeLimit(.minutes(1)))
    func connectTimeout() throws {
        let hole = try BlackHole(port: try SSHServerFixture.freePort())
        try writeConfiguration("Host alpha\nConnectTimeout 2\n")
        for (setting, limit) in [("", "2.0 s"), ("connectTimeout=\"1s\"", "1.0 s")] {
            try writeInventory(
                "address=\"::1\" port=\"\(hole.port)\" identity=\"\(host.ssh.clientKey)\" \(setting)",
                keys: [host.ssh.hostKey])
            let start = MonotonicTime.now
            let late = try check()
            late.expect(.connect, limit)
            #expect(start.elapsed < .seconds(8), "\(late)")
        }
    }

    // Breaks when the addresses of a name are tried one after the other.
    @Test("a name with an address that swallows packets", .timeLimit(.minutes(1)))
    func addresses() throws {
        let hole = try BlackHole(port: host.ssh.port)
        try someone.folder.write("::1 twofold\n127.0.0.1 twofold\n", to: "names")
        try writeInventory(
            "address=\"twofold\" port=\"\(host.ssh.port)\" identity=\"\(host.ssh.clientKey)\"",
            keys: [host.ssh.hostKey])
        // Names of its own, in a mount namespace of its own.
        let script = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\""
        let start = MonotonicTime.now
        let result = try someone.begin(
            program: "/usr/bin/unshare",
            [
                "-m", "/bin/sh", "-c", script, "sh", someone.folder.path("names"),
                try BuildProducts.program("livemig"), "host", "check", "alpha",
            ]
        ).finish()
        #expect(result.status == 0, "\(result)")
        #expect(start.elapsed < .seconds(8))
        withExtendedLifetime(hole) {}
    }
}

/// A listener on ::1 that takes no connection: further ones get no answer (listen(2)).
private final class BlackHole {
    let port: Int
    private let listener: OwnedDescriptor
    private var waiting: [CInt] = []

    init(port: Int) throws {
        self.port = port
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        listener = OwnedDescriptor(
            owning: try SystemCall.check("socket") { socket(AF_INET6, kind, 0) })
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = UInt16(port).bigEndian
        address.sin6_addr = in6addr_loopback
        let number = listener.number
        try unsafe withUnsafePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                let length = socklen_t(MemoryLayout<sockaddr_in6>.size)
                try SystemCall.check("bind") { unsafe bind(number, pointer, length) }
                try SystemCall.check("listen") { listen(number, 0) }
                for _ in 0..<4 {
                    let client = socket(AF_INET6, kind | CInt(SOCK_NONBLOCK.rawValue), 0)
                    _ = unsafe connect(client, pointer, length)
                    waiting.append(client)
                }
            }
        }
    }

    deinit { for socket in waiting { close(socket) } }
}
