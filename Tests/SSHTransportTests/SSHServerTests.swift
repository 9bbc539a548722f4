import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

/// Tests against a real sshd, one after the other: two cores, and stall times are measured.
@Suite("SSH against a real sshd", .serialized)
enum SSHServerTests {}

extension SSHServerTests {
    @Suite("Connecting", .serialized)
    struct Connecting {
        private func code(_ endpoint: SSHEndpoint, retries: Int = 0) -> LivemigError? {
            do throws(LivemigError) {
                _ = try SSHSession(connecting: endpoint, retries: retries)
                return nil
            } catch {
                return error
            }
        }

        @Test("Only the offered algorithms are agreed on; breaks when a profile leaks AES-GCM")
        func algorithms() throws {
            let server = try SSHServerFixture()
            let control = try SSHSession(connecting: server.endpoint()).algorithms
            #expect(control.cipherToServer == "chacha20-poly1305@openssh.com")
            #expect(control.cipherFromServer == "chacha20-poly1305@openssh.com")
            #expect(
                [
                    "mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com",
                    "curve25519-sha256",
                ]
                .contains(control.keyExchange))
            let bulk = try SSHSession(
                connecting: server.endpoint(), profile: .bulkToServer
            ).algorithms
            #expect(bulk.cipherToServer == "aes128-gcm@openssh.com")
            #expect(bulk.cipherFromServer == "chacha20-poly1305@openssh.com")
        }

        @Test("Trust in the host's key; breaks when a key that is not pinned is accepted")
        func hostKey() throws {
            let server = try SSHServerFixture()
            var endpoint = server.endpoint()
            endpoint.hostKeys = []
            let unknown = try #require(code(endpoint))
            #expect(unknown.code == .hostKeyUnknown)
            #expect(unknown.explanation.contains(server.hostKey))
            #expect(unknown.fix.contains("livemig host pin alpha"))
            #expect(unknown.fix.contains("--host-key \(server.hostKey)"))

            let other = "SHA256:" + String(repeating: "A", count: 43)
            endpoint.hostKeys = [other]
            let changed = try #require(code(endpoint))
            #expect(changed.code == .hostKeyChanged)
            #expect(changed.what.contains(server.hostKey) && changed.what.contains(other))

            endpoint.hostKeys = [other, server.hostKey]
            #expect(code(endpoint) == nil)
            // Nothing but the key exchange happened with the two connections that were refused.
            #expect(server.log.split(separator: "Accepted publickey").count == 2)
        }

        @Test("A key that the host does not know; breaks when another method is tried or retried")
        func refusedKey() throws {
            let server = try SSHServerFixture()
            let print = try SSHServerFixture.makeKey(server.folder, "stranger")
            var endpoint = server.endpoint()
            endpoint.identity = server.folder.path("stranger")
            let start = MonotonicTime.now
            let error = try #require(code(endpoint, retries: 3))
            #expect(error.code == .authentication)
            #expect(error.what.contains("\(server.user)@alpha"))
            #expect(error.what.contains(print))
            #expect(start.elapsed < .seconds(3))
        }

        @Test("Bad key files; breaks when the library sees one that is open to others")
        func keyFiles() throws {
            let server = try SSHServerFixture()
            _ = try SSHServerFixture.makeKey(server.folder, "locked", passphrase: "secret")
            try server.folder.write("not a key", to: "garbage")
            try server.folder.write(server.folder.read("client"), to: "open")
            _ = unsafe chmod(server.folder.path("open"), 0o644)
            let table: [(name: String, code: ErrorCode)] = [
                ("open", .keyMode), ("missing", .file), ("locked", .key), ("garbage", .key),
                ("", .key),
            ]
            for (name, expected) in table {
                var endpoint = server.endpoint()
                endpoint.identity = server.folder.path(name)
                #expect(code(endpoint)?.code == expected, "\(name)")
            }
        }

        @Test("Logging in by the SSH agent; breaks when the agent is not asked")
        func agent() throws {
            let server = try SSHServerFixture()
            let socket = server.folder.path("agent")
            let agent = try ChildProcess(.init("/usr/bin/ssh-agent", ["-D", "-a", socket]))
            defer { agent.end() }
            #expect(eventually { unsafe access(socket, F_OK) == 0 })
            var endpoint = server.endpoint()
            endpoint.identity = nil
            endpoint.agentSocket = socket
            #expect(code(endpoint)?.code == .authentication)
            let add = try ChildProcess(
                .init(
                    "/usr/bin/ssh-add", ["-q", server.clientKey],
                    environment: ["SSH_AUTH_SOCK": socket]))
            #expect(add.wait() == 0)
            #expect(code(endpoint) == nil)
        }

        @Test("Nobody listens, or the name is unknown; breaks when the reason is lost")
        func unreachable() throws {
            let folder = try ScratchFolder()
            let print = try SSHServerFixture.makeKey(folder, "client")
            let port = try SSHServerFixture.freePort()
            var endpoint = SSHEndpoint(
                name: "alpha", address: "127.0.0.1", port: port, user: "nobody",
                identity: folder.path("client"), hostKeys: [print])
            let refused = try #require(code(endpoint))
            #expect(refused.code == .connect)
            #expect(refused.what.contains("127.0.0.1:\(port)"))
            #expect(refused.what.contains("refused"))
            endpoint.address = "no-such-host.invalid"
            #expect(code(endpoint)?.code == .connect)
            endpoint.address = "127.0.0.1"
            endpoint.bindAddress = "192.0.2.1"
            #expect(code(endpoint)?.code == .connect)
        }

        @Test("A server that hangs up at once is tried again; breaks when retries are not counted")
        func dropped() throws {
            let folder = try ScratchFolder()
            let print = try SSHServerFixture.makeKey(folder, "client")
            let port = try SSHServerFixture.freePort()
            let listener = try SSHServerFixture.listener(port: port, backlog: 8).release()
            let count = Monitor(0)
            let closer = WorkerThread("closer") {
                let listener = OwnedDescriptor(owning: listener)
                while count.withLock({ $0 }) < 3 {
                    let connection = accept(listener.number, nil, nil)
                    count.withLock { $0 += 1 }
                    close(connection)
                }
            }
            let endpoint = SSHEndpoint(
                name: "alpha", address: "127.0.0.1", port: port, user: "nobody",
                identity: folder.path("client"), hostKeys: [print])
            let first = try #require(code(endpoint))
            #expect(first.code == .connectDropped)
            #expect(first.fix.contains("MaxStartups"))
            #expect(count.withLock { $0 } == 1)
            #expect(code(endpoint, retries: 1)?.code == .connectDropped)
            #expect(count.withLock { $0 } == 3)
            try closer.join()
        }

        @Test(
            "A server that talks for ever or half hangs up; breaks when a login spins or never ends",
            .timeLimit(.minutes(1)), arguments: [true, false])
        func endless(_ talks: Bool) throws {
            let folder = try ScratchFolder()
            let print = try SSHServerFixture.makeKey(folder, "client")
            let port = try SSHServerFixture.freePort()
            let listener = try SSHServerFixture.listener(port: port, backlog: 8).release()
            let isOver = Monitor(false)
            let server = WorkerThread("endless") {
                let listener = OwnedDescriptor(owning: listener)
                let client = OwnedDescriptor(owning: accept(listener.number, nil, nil))
                try DescriptorIO.write(Array("SSH-2.0-x\r\n".utf8), to: client.number)
                // SSH_MSG_IGNORE of no bytes in a packet without encryption (RFC 4253, 6 and 11.2).
                let packet: [UInt8] = [0, 0, 0, 12, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                if !talks { shutdown(client.number, CInt(SHUT_WR)) }
                while !isOver.withLock({ $0 }) {
                    guard talks else {
                        _ = isOver.wait(deadline: .now + .seconds(20)) { $0 ? true : nil }
                        break
                    }
                    let many = Array(repeating: packet, count: 64).flatMap { $0 }
                    guard (try? DescriptorIO.write(many, to: client.number)) != nil else { break }
                }
            }
            var endpoint = SSHEndpoint(
                name: "alpha", address: "127.0.0.1", port: port, user: "nobody",
                identity: folder.path("client"), hostKeys: [print])
            endpoint.loginTimeout = .seconds(2)
            let start = MonotonicTime.now
            let error = try #require(code(endpoint))
            #expect(error.code == .connect || error.code == .connectDropped, "\(error)")
            #expect(start.elapsed < (talks ? .seconds(4) : .seconds(1)), "\(start.elapsed)")
            isOver.withLock { $0 = true }
            try server.join()
        }

        @Test("sshd above MaxStartups drops us, the retry gets in; breaks when it is not retried")
        func maxStartups() throws {
            let server = try SSHServerFixture(options: ["MaxStartups 1:100:1"])
            #expect(eventually { server.sessions.isEmpty })
            let holder = try server.connect().release()
            #expect(eventually { !server.sessions.isEmpty })
            let error = try #require(code(server.endpoint()))
            #expect(error.code == .connectDropped)
            let releaser = WorkerThread("releaser") {
                usleep(300_000)
                close(holder)
            }
            #expect(code(server.endpoint(), retries: 1) == nil)
            _ = try releaser.join()
        }

        @Test("A server that accepts and says nothing; breaks when the deadline does not hold")
        func silent() throws {
            let server = try SSHServerFixture()
            kill(server.processID, SIGSTOP)
            defer { kill(server.processID, SIGCONT) }
            var endpoint = server.endpoint()
            endpoint.loginTimeout = .seconds(1)
            let start = MonotonicTime.now
            #expect(code(endpoint)?.code == .connect)
            #expect(start.elapsed > .milliseconds(900))
            #expect(start.elapsed < .seconds(3))
        }

        /// Servers that offer nothing but what is not allowed; towards the first two a bulk session
        /// would have to receive what only it may send.
        static let weakServers = [
            ["Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com"],
            ["Ciphers aes128-cbc"], ["KexAlgorithms diffie-hellman-group14-sha1"],
            [
                "Ciphers aes256-ctr",
                "MACs umac-128@openssh.com,hmac-sha1,hmac-sha1-etm@openssh.com",
            ],
        ]

        @Test(
            "No algorithm in common; breaks when another one is added to the offer",
            arguments: weakServers)
        func algorithmMismatch(options: [String]) throws {
            let server = try SSHServerFixture(options: options)
            #expect(code(server.endpoint())?.code == .algorithm)
            let bulk = failure {
                _ = try SSHSession(connecting: server.endpoint(), profile: .bulkToServer)
            }
            #expect(bulk?.code == .algorithm)
        }

        private func failure(_ body: () throws -> Void) -> LivemigError? {
            do {
                try body()
                return nil
            } catch {
                return error as? LivemigError
            }
        }
    }
}
