import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

extension SSHServerTests {
    @Suite("Key pairs")
    struct KeyPairs {
        @Test("A key made here logs in at sshd; breaks when OpenSSH cannot read file or line")
        func login() throws {
            let server = try SSHServerFixture()
            let pair = try SSHKeyPair.generate()
            let path = server.folder.path("made")
            try pair.write(to: path)
            try server.folder.write(pair.publicLine() + "\n", to: "authorized_keys")
            var endpoint = server.endpoint()
            endpoint.identity = path
            let session = try SSHSession(connecting: endpoint)
            var channel = try session.openExec(RemoteCommand(["true"]))
            #expect(try channel.finish().status == 0)

            // ssh-keygen derives the same public key from the file as we do.
            let output = try OwnedDescriptor.open(server.folder.path("line"), O_WRONLY | O_CREAT)
            let keygen = try ChildProcess(
                .init("/usr/bin/ssh-keygen", ["-y", "-f", path], descriptors: [1: output.number]))
            #expect(keygen.wait() == 0)
            let line = try pair.publicLine()
            #expect(line.hasPrefix("ssh-ed25519 AAAA") && line.hasSuffix(" livemig"))
            #expect(
                server.folder.read("line").split(whereSeparator: \.isWhitespace).prefix(2)
                    == line.split(separator: " ").prefix(2))
        }

        @Test("The file is private, new, and read back; breaks when one is overwritten or readable")
        func file() throws {
            let folder = try ScratchFolder()
            let path = folder.path("key")
            let pair = try SSHKeyPair.generate()
            try pair.write(to: path)
            var status = stat()
            #expect(unsafe stat(path, &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o600)
            #expect(folder.read("key").hasPrefix("-----BEGIN OPENSSH PRIVATE KEY-----"))
            let again = try SSHKeyPair.read(path)
            #expect(again.fingerprint == pair.fingerprint)
            #expect(pair.fingerprint.hasPrefix("SHA256:") && pair.fingerprint.utf8.count == 50)
            #expect { try pair.write(to: path) } throws: {
                ($0 as? LivemigError)?.code == .exists
            }
            #expect { try pair.publicLine(comment: "a\nssh-rsa") } throws: {
                ($0 as? LivemigError)?.code == .usage
            }
        }

        @Test("The fingerprint is the one ssh-keygen shows; breaks when the digest differs")
        func fingerprint() throws {
            let folder = try ScratchFolder()
            for type in ["ed25519", "ecdsa", "rsa"] {
                let print = try SSHServerFixture.makeKey(folder, type, type: type)
                #expect(try SSHKeyPair.read(folder.path(type)).fingerprint == print)
            }
        }
    }
}
