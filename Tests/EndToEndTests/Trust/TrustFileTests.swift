import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Files and folders that decide whom a host or an operator trusts.
@Suite(.serialized) struct TrustFileTests {
    // Breaks when libssh reads the system's configuration: it could choose weak ciphers, another
    // user, or run a command. Needs root, to put a file in the place of the system's for one program.
    @Test(.timeLimit(.minutes(1))) func configurationOfSSHIsNotRead() throws {
        let host = try TestHost("alpha")
        let someone = try Operator()
        try someone.add(host)
        let system = "/etc/ssh/ssh_config"
        try #require(unsafe access(system, R_OK) == 0, "apt-get install openssh-client")
        try someone.folder.write(
            "Host *\n  Ciphers aes192-ctr\n  KexAlgorithms ecdh-sha2-nistp256\n", to: "config")
        let script = try someone.script(
            "inside",
            """
            mount --bind \(someone.folder.path("config")) \(system) || exit 99
            exec \(try BuildProducts.program("livemig")) host check alpha \
            --inventory \(someone.folder.path("hosts.xml"))

            """)
        let (status, output) = try Tool.outcome(
            try Tool.path("unshare", package: "util-linux"), ["--mount", script])
        #expect(status == 0, "\(output)")
        #expect(output.contains("alpha:  agent"), "\(output)")
    }

    /// What is done to a root that an agent has made, and the exit status of the next agent.
    static let roots: [(name: String, status: Int32, spoil: @Sendable (String) -> CInt)] = [
        ("nothing", 0, { _ in 0 }),
        ("a root that others list", 0, { unsafe chmod($0, 0o755) }),
        ("a root that others write", 3, { unsafe chmod($0, 0o777) }),
        ("VMs that others enter", 3, { unsafe chmod($0 + "/vms", 0o711) }),
        ("keys that others list", 3, { unsafe chmod($0 + "/keys", 0o740) }),
        ("another owner", 3, { unsafe chown($0 + "/keys", 65534, 65534) }),
        (
            "keys elsewhere", 3,
            { unsafe rename($0 + "/keys", $0 + "/other") + symlink($0 + "/other", $0 + "/keys") }
        ),
    ]

    // Breaks when an agent works in a folder that others can enter or exchange.
    @Test(.timeLimit(.minutes(1)), arguments: roots.indices) func foldersAreChecked(_ index: Int)
        throws
    {
        let (name, status, spoil) = Self.roots[index]
        let folder = try ScratchFolder()
        let root = folder.path("r")
        func doctor() throws -> (status: Int32, output: String) {
            try Tool.outcome(
                try BuildProducts.program("livemig-agent"), ["doctor", "--root", root])
        }
        #expect(try doctor().status == 0)
        try #require(spoil(root) == 0)
        let (ended, output) = try doctor()
        #expect(ended == status, "\(name): \(output)")
        if status != 0 { #expect(output.contains("error[E-ROOT]"), "\(name): \(output)") }
    }
}
