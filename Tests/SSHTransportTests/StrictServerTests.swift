import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

extension SSHServerTests {
    /// Servers as FIPS 140 modes and the STIGs of distributions configure them.
    @Suite("Hosts with strict algorithms", .serialized)
    struct Strict {
        struct Profile: CustomTestStringConvertible, Sendable {
            let name: String
            let options: [String]
            let hostKey: String
            let userKey: String
            var testDescription: String { name }
        }

        static let profiles = [
            Profile(
                name: "NIST curves",
                options: [
                    "KexAlgorithms ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521",
                    "Ciphers aes256-gcm@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr",
                    "MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com",
                    "HostKeyAlgorithms ecdsa-sha2-nistp384",
                    "PubkeyAcceptedAlgorithms ecdsa-sha2-*",
                ], hostKey: "ecdsa -b 384", userKey: "ecdsa -b 521"),
            Profile(
                name: "Ubuntu's STIG",
                options: [
                    "KexAlgorithms diffie-hellman-group-exchange-sha256",
                    "Ciphers aes256-ctr,aes192-ctr,aes128-ctr", "MACs hmac-sha2-512,hmac-sha2-256",
                    "HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256",
                    "PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256",
                ], hostKey: "rsa -b 3072", userKey: "rsa -b 3072"),
            Profile(
                name: "group 14 and RSA with SHA-256",
                options: [
                    "KexAlgorithms diffie-hellman-group14-sha256", "Ciphers aes128-ctr",
                    "MACs hmac-sha2-512-etm@openssh.com", "HostKeyAlgorithms rsa-sha2-256",
                    "PubkeyAcceptedAlgorithms rsa-sha2-256",
                ], hostKey: "rsa -b 2048", userKey: "rsa -b 2048"),
            Profile(
                name: "group 16 and P-521",
                options: [
                    "KexAlgorithms diffie-hellman-group16-sha512", "Ciphers aes192-ctr",
                    "HostKeyAlgorithms ecdsa-sha2-nistp521",
                    "PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256",
                ], hostKey: "ecdsa -b 521", userKey: "ecdsa -b 256"),
        ]

        @Test(
            "Hosts in FIPS mode are in reach, by control and bulk; breaks when only 25519 is offered",
            arguments: profiles)
        func strict(profile: Profile) throws {
            let folder = try ScratchFolder()
            let hostPrint = try Self.key(folder, "strict", profile.hostKey)
            _ = try Self.key(folder, "user", profile.userKey)
            let server = try SSHServerFixture(
                options: profile.options + ["HostKey \(folder.path("strict"))"])
            try server.folder.write(folder.read("user.pub"), to: "authorized_keys")
            var endpoint = server.endpoint()
            endpoint.identity = folder.path("user")
            endpoint.hostKeys = [hostPrint]
            for cipher in [SSHCipherProfile.control, .bulkToServer] {
                let session = try SSHSession(connecting: endpoint, profile: cipher)
                var channel = try session.openExec(RemoteCommand(["true"]))
                #expect(try channel.finish().status == 0)
                #expect(!session.algorithms.cipherFromServer.contains("gcm"))
            }
        }

        @Test(
            "Only weak keys: a signature with SHA-1 is never made; breaks when ssh-rsa is offered")
        func weakHostKey() throws {
            let folder = try ScratchFolder()
            let print = try Self.key(folder, "strict", "rsa -b 2048")
            let server = try SSHServerFixture(
                options: ["HostKey \(folder.path("strict"))", "HostKeyAlgorithms ssh-rsa"])
            var endpoint = server.endpoint()
            endpoint.hostKeys = [print]
            #expect(loginError(endpoint)?.code == .algorithm)
        }

        @Test("A pin of a key that is not the host's first; breaks when only one kind is asked for")
        func laterKind() throws {
            let folder = try ScratchFolder()
            let rsa = try Self.key(folder, "rsa", "rsa -b 2048")
            let ecdsa = try Self.key(folder, "ecdsa", "ecdsa -b 256")
            let ed25519 = try Self.key(folder, "ed25519", "ed25519")
            let server = try SSHServerFixture(
                options: ["rsa", "ecdsa", "ed25519"].map { "HostKey \(folder.path($0))" })
            var endpoint = server.endpoint()
            for (print, kind) in [(rsa, "ssh-rsa"), (ecdsa, "ecdsa-sha2-nistp256")] {
                endpoint.hostKeys = [print]
                #expect(try SSHSession(connecting: endpoint).algorithms.hostKey == kind)
            }
            // The kind is remembered: lanes need one connection each.
            let before = server.log.split(separator: "Connection from").count
            _ = try SSHSession(connecting: endpoint)
            #expect(server.log.split(separator: "Connection from").count == before + 1)

            #expect(
                try Set(SSHHostKey.offered(by: endpoint).map(\.fingerprint))
                    == [rsa, ecdsa, ed25519])
            endpoint.hostKeys = ["SHA256:" + String(repeating: "A", count: 43)]
            let changed = try #require(loginError(endpoint))
            #expect(changed.code == .hostKeyChanged)
            #expect([rsa, ecdsa, ed25519].allSatisfy(changed.what.contains))
            #expect(changed.fix.contains("livemig host pin alpha"))
            endpoint.hostKeys = [rsa]
            endpoint.revokedHostKeys = [ecdsa, rsa]
            #expect(loginError(endpoint)?.what.contains("revoked") == true)
        }

        @Test("A second kind of key made here logs in; breaks when OpenSSH cannot read it")
        func ecdsaPair() throws {
            let server = try SSHServerFixture(
                options: ["PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256"])
            let pair = try SSHKeyPair.generate(.ecdsa)
            try pair.write(to: server.folder.path("made"))
            try server.folder.write(pair.publicLine() + "\n", to: "authorized_keys")
            var endpoint = server.endpoint()
            endpoint.identity = server.folder.path("made")
            #expect(loginError(endpoint) == nil)
            #expect(try pair.publicLine().hasPrefix(SSHKeyPair.Kind.ecdsa.name + " "))
            // An agent's first key is refused there, and its second one accepted.
            try SSHKeyPair.generate().write(to: server.folder.path("first"))
            endpoint.identity = server.folder.path("first")
            endpoint.identities = [server.folder.path("made")]
            #expect(loginError(endpoint) == nil)
        }

        /// Makes a key by words of ssh-keygen: type, then `-b` and bits.
        static func key(
            _ folder: ScratchFolder, _ name: String, _ words: String
        ) throws -> String {
            let parts = words.split(separator: " ").map(String.init)
            let bits = parts.count > 2 ? parts[2] : ""
            return try SSHServerFixture.makeKey(folder, name, type: parts[0], bits: bits)
        }
    }
}

/// Why a login fails; `nil` when it does not.
func loginError(_ endpoint: SSHEndpoint, retries: Int = 0) -> LivemigError? {
    do throws(LivemigError) {
        _ = try SSHSession(connecting: endpoint, retries: retries)
        return nil
    } catch {
        return error
    }
}
