import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

extension SSHServerTests {
    @Suite("Ways to a host", .serialized)
    struct Reach {
        @Test("IPv6; breaks when the address is taken for name and port")
        func scopes() throws {
            let server = try SSHServerFixture(options: [
                "ListenAddress 127.0.0.1", "ListenAddress ::1",
            ])
            var endpoint = server.endpoint()
            for address in ["::1", "0:0:0:0:0:0:0:1"] {
                endpoint.address = address
                #expect(loginError(endpoint) == nil, "\(address)")
            }
        }

        @Test("A slow login; breaks when the limit cannot be raised or is the connection's")
        func slowLogin() throws {
            // sshd takes a command only from a folder that nobody else can write.
            let command = "/run/livemig-slow-\(getpid())"
            defer { _ = unsafe unlink(command) }
            let server = try SSHServerFixture(
                options: [
                    "AuthorizedKeysFile none", "AuthorizedKeysCommand \(command)",
                    "AuthorizedKeysCommandUser root",
                ])
            do {
                let text = "#!/bin/sh\nsleep 2\nexec cat \(server.folder.path("client.pub"))\n"
                let file = try OwnedDescriptor.open(
                    command, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o755)
                try DescriptorIO.write(Array(text.utf8), to: file.number)
            }
            var endpoint = server.endpoint()
            endpoint.connectTimeout = .seconds(1)
            endpoint.loginTimeout = .seconds(1)
            let error = try #require(loginError(endpoint))
            #expect(error.code == .connect && error.fix.contains("loginTimeout"))
            endpoint.loginTimeout = .seconds(20)
            #expect(loginError(endpoint) == nil)
        }

        @Test("Through two other hosts; breaks when a host on the way is not proved to be right")
        func jumps() throws {
            let first = try SSHServerFixture()
            let second = try SSHServerFixture()
            let last = try SSHServerFixture()
            var endpoint = last.endpoint()
            endpoint.name = "last"
            endpoint.jumps = [first.endpoint(), second.endpoint()]
            let before = openDescriptors()
            do {
                let session = try SSHSession(connecting: endpoint)
                var channel = try session.openExec(RemoteCommand(["echo", "arrived"]))
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
                defer { unsafe buffer.deallocate() }
                let count = try unsafe channel.read(into: buffer)
                #expect(unsafe String(decoding: buffer.prefix(count), as: UTF8.self) == "arrived\n")
                _ = try channel.finish()
            }
            #expect(first.logins == 1 && second.logins == 1 && last.logins == 1)
            #expect(eventually { openDescriptors() == before })

            endpoint.jumps[1].hostKeys = ["SHA256:" + String(repeating: "A", count: 43)]
            let error = try #require(loginError(endpoint))
            #expect(error.code == .hostKeyChanged && error.place.hasPrefix("last through alpha"))
            let closed = try SSHServerFixture(options: ["AllowTcpForwarding no"])
            endpoint.jumps = [closed.endpoint()]
            // What the jump host says is the reason, and not that the connection broke.
            let shut = try #require(loginError(endpoint))
            #expect(shut.fix.contains("AllowTcpForwarding"), "\(shut)")
        }

        @Test("known_hosts, hashed and with ports; breaks when a revoked key counts as known")
        func knownHosts() throws {
            let folder = try ScratchFolder()
            var lines: [String: String] = [:]
            var prints: [String: String] = [:]
            for name in ["a", "b", "c"] {
                prints[name] = try SSHServerFixture.makeKey(folder, name)
                lines[name] = folder.read("\(name).pub")
            }
            let (a, b, c) = (lines["a"] ?? "", lines["b"] ?? "", lines["c"] ?? "")
            try folder.write(
                "# comment\n\nhost.example,10.0.0.1 \(a)[host.example]:2222 \(b)@revoked * \(c)"
                    + "@cert-authority *.example \(c)*.lan,!x.lan \(a)", to: "known")
            let hash = try ChildProcess(
                .init("/usr/bin/ssh-keygen", ["-q", "-H", "-f", folder.path("known")]))
            #expect(hash.wait() == 0)
            #expect(folder.read("known").contains("|1|"))
            try folder.write(folder.read("known") + "broken line\n", to: "known")
            func found(_ name: String) -> KnownHosts {
                var known = KnownHosts()
                known.read(folder.read("known"), name: name)
                return known
            }
            #expect(found("host.example").keys.map(\.fingerprint) == [prints["a"]])
            #expect(found("10.0.0.1").keys.map(\.fingerprint) == [prints["a"]])
            #expect(found("[host.example]:2222").keys.map(\.fingerprint) == [prints["b"]])
            #expect(found("host.example").revoked.map(\.fingerprint) == [prints["c"]])
            #expect(found("host.example").hasAuthority && !found("10.0.0.1").hasAuthority)
            #expect(found("y.lan").keys.count == 1 && found("x.lan").keys.isEmpty)
            #expect(
                KnownHosts.names("A.B", port: 2222, isAlias: false) == ["[a.b]:2222", "a.b"])
            #expect(KnownHosts.names("A.B", port: 2222, isAlias: true) == ["a.b"])
        }
    }
}
