import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

extension SSHServerTests {
    @Suite("What a login offers", .serialized)
    struct Identities {
        /// An ssh-agent with keys of its own.
        final class Agent {
            let socket: String
            private let process: ChildProcess

            init(_ folder: ScratchFolder, keys: [String]) throws {
                socket = folder.path("agent")
                process = try ChildProcess(.init("/usr/bin/ssh-agent", ["-D", "-a", socket]))
                #expect(eventually { unsafe access(self.socket, F_OK) == 0 })
                for key in keys {
                    let add = try ChildProcess(
                        .init(
                            "/usr/bin/ssh-add", ["-q", folder.path(key)],
                            environment: ["SSH_AUTH_SOCK": socket]))
                    #expect(add.wait() == 0)
                }
            }

            deinit { process.end() }
        }

        @Test("Eight keys in the agent, six tries; breaks when every key is said to be refused")
        func manyKeys() throws {
            let server = try SSHServerFixture(options: ["MaxAuthTries 6"])
            let folder = server.folder
            let names = (1...7).map { "k\($0)" }
            for name in names { _ = try SSHServerFixture.makeKey(folder, name) }
            let agent = try Agent(folder, keys: names + ["client"])
            var endpoint = server.endpoint()
            endpoint.identity = nil
            endpoint.agentSocket = agent.socket
            let error = try #require(loginError(endpoint))
            #expect(error.code == .authentication)
            #expect(error.what.contains("too many keys offered"))
            #expect(error.what.contains("6 of 8"))
            #expect(error.fix.contains("identity="))

            // A public key names the one to use, with the private key in the agent alone.
            try folder.write(folder.read("client.pub"), to: "named")
            endpoint.identity = folder.path("named")
            #expect(loginError(endpoint) == nil)
            // So does a private key that has gone, by the public one beside it.
            #expect(unsafe rename(folder.path("client"), folder.path("gone")) == 0)
            endpoint.identity = folder.path("client")
            #expect(loginError(endpoint) == nil)
            // An identity that need not be there is offered before the agent's other keys.
            endpoint.identity = nil
            endpoint.identities = [folder.path("named")]
            #expect(loginError(endpoint) == nil)
            endpoint.identities = [folder.path("k1")]
            endpoint.identitiesOnly = true
            #expect(loginError(endpoint)?.what.contains("too many") == false)
            #expect(loginError(endpoint)?.code == .authentication)
        }

        @Test("An agent that is gone: files are tried; breaks when its socket ends the login")
        func staleAgent() throws {
            let server = try SSHServerFixture()
            let path = server.folder.path("stale")
            do { _ = try UnixSocket.listen(path, .stream) }
            var endpoint = server.endpoint()
            endpoint.identity = nil
            endpoint.agentSocket = path
            endpoint.identities = [server.folder.path("missing"), server.clientKey]
            #expect(loginError(endpoint) == nil)
            endpoint.identities = []
            let error = try #require(loginError(endpoint))
            #expect(error.code == .key && error.what.contains("does not answer"))
            // With a public key alone, the error says that it is the agent's fault.
            endpoint.identity = server.clientKey + ".pub"
            #expect(loginError(endpoint)?.what.contains("does not answer") == true)
        }

        @Test("Certificates beside keys and in the agent; breaks when only the bare key is offered")
        func certificates() throws {
            let server = try SSHServerFixture(options: ["LogLevel VERBOSE"])
            let folder = server.folder
            for name in ["ca", "user"] { _ = try SSHServerFixture.makeKey(folder, name) }
            try folder.write("", to: "authorized_keys")
            try folder.write(
                "cert-authority " + folder.read("ca.pub"), to: "authorized_keys")
            try Self.keygen(
                [
                    "-q", "-s", folder.path("ca"), "-I", "me", "-n", server.user,
                    folder.path("user.pub"),
                ])
            var endpoint = server.endpoint()
            endpoint.identity = folder.path("user")
            #expect(loginError(endpoint) == nil)

            // The certificate elsewhere, and the key in the agent alone.
            #expect(
                unsafe rename(folder.path("user-cert.pub"), folder.path("signed.pub")) == 0)
            #expect(loginError(endpoint)?.code == .authentication)
            endpoint.certificates = [folder.path("signed.pub")]
            #expect(loginError(endpoint) == nil)
            let agent = try Agent(folder, keys: ["user"])
            endpoint.agentSocket = agent.socket
            endpoint.identity = folder.path("user.pub")
            #expect(loginError(endpoint) == nil)
        }

        @Test("Key files of every format; breaks when one is not read or its lock not seen")
        func formats() throws {
            let server = try SSHServerFixture()
            let folder = server.folder
            var lines = ""
            for (type, format) in [
                ("rsa", "PEM"), ("rsa", "PKCS8"), ("ecdsa", "PEM"), ("ecdsa", "PKCS8"),
                ("ecdsa", "RFC4716"), ("ed25519", "RFC4716"),
            ] {
                let name = "\(type)-\(format)"
                _ = try SSHServerFixture.makeKey(folder, name, type: type, format: format)
                _ = try SSHServerFixture.makeKey(
                    folder, name + "-locked", passphrase: "secret", type: type, format: format)
                lines += folder.read(name + ".pub")
                try folder.write(lines, to: "authorized_keys")
                var endpoint = server.endpoint()
                endpoint.identity = folder.path(name)
                #expect(loginError(endpoint) == nil, "\(name)")
                endpoint.identity = folder.path(name + "-locked")
                let error = loginError(endpoint)
                #expect(error?.code == .key && error?.fix.contains("ssh-add") == true, "\(name)")
            }
        }

        @Test("A locked key that the agent holds; breaks when a passphrase is wanted for it")
        func lockedInAgent() throws {
            let server = try SSHServerFixture()
            let folder = server.folder
            let agent = try Agent(folder, keys: ["client"])
            try Self.keygen(["-q", "-p", "-P", "", "-N", "secret", "-f", folder.path("client")])
            var endpoint = server.endpoint()
            #expect(loginError(endpoint)?.code == .key)
            endpoint.agentSocket = agent.socket
            #expect(loginError(endpoint) == nil)
        }

        @Test("Keys in security keys are named as that; breaks when they count as garbage")
        func hardware() throws {
            let server = try SSHServerFixture()
            // A public key of that kind; its private half is a handle that only the device can use.
            let blob =
                "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAABAgMEBQYHCAkKCwwNDg8Q"
                + "ERITFBUWFxgZGhscHR4fAAAABHNzaDo="
            try server.folder.write("sk-ssh-ed25519@openssh.com \(blob) me\n", to: "sk.pub")
            try server.folder.write(
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                to: "sk", mode: 0o600)
            var endpoint = server.endpoint()
            endpoint.identity = server.folder.path("sk")
            let error = try #require(loginError(endpoint))
            #expect(error.code == .key && error.what.contains("security key"))
            #expect(error.fix.contains("ssh-add"))
        }

        private static func keygen(_ arguments: [String]) throws {
            #expect(try ChildProcess(.init("/usr/bin/ssh-keygen", arguments)).wait() == 0)
        }
    }
}
