import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

@testable import Orchestrator

@Suite("Conversations with what is not an agent", .serialized)
struct ConnectionTests {
    private static func host(_ server: SSHServerFixture, agent: String) throws -> HostRecord {
        HostRecord(
            name: try HostName("alpha"), address: "127.0.0.1", port: server.port,
            user: server.user, identity: server.clientKey, root: server.folder.path, agent: agent,
            hostKeys: [server.hostKey])
    }

    private static func script(_ server: SSHServerFixture, _ text: String) throws -> String {
        try server.folder.write("#!/bin/sh\n" + text, to: "agent", mode: 0o700)
        return server.folder.path("agent")
    }

    // Breaks when the reason for a missing greeting is another than the one that can be acted on.
    @Test(
        "each wrong program has its own error",
        arguments: [
            (nil, ErrorCode.noAgent, "not found (exit 127)"),
            ("echo 'Welcome to Debian'\ncat >/dev/null\n", .hello, #"got "Welcome to Debian""#),
            ("exec cat\n", .hello, "is a controller"),
            ("echo 'LIVEMIG agent 9 7.0'\ncat >/dev/null\n", .version, "speaks protocol 9"),
            ("echo out of luck >&2\nexit 9\n", .hello, "did not answer; its last words"),
            ("exit 0\n", .hello, "the login ended with status 0"),
            ("kill -9 $$\n", .disconnected, "ended without a status"),
            (
                "echo 'livemig-agent: error[E-ROOT]: /x is not a folder' >&2\nexit 3\n", .root,
                "/x is not a folder"
            ),
        ] as [(String?, ErrorCode, String)])
    func wrongPrograms(_ script: String?, _ code: ErrorCode, _ text: String) async throws {
        let server = try SSHServerFixture()
        let agent = try script.map { try Self.script(server, $0) } ?? "/nonexistent/livemig-agent"
        let host = try Self.host(server, agent: agent)
        do {
            let connection = try await AgentDialer(home: "/").open(host)
            await connection.close()
            Issue.record("a greeting from \(agent)")
        } catch {
            #expect(error.code == code, "\(error)")
            #expect(error.explanation.contains(text), "\(error)")
            #expect(error.explanation.contains("alpha"), "the host is not named: \(error)")
        }
    }

    // Breaks when an agent that dies in a conversation leaves the request waiting, or its status
    // and last words are lost.
    @Test("an agent that dies answers with its last words")
    func death() async throws {
        let server = try SSHServerFixture()
        let agent = try Self.script(
            server,
            """
            echo 'LIVEMIG agent \(Banner.currentProtocol) 0.1.0'
            read line
            echo 'no memory' >&2
            exit 4

            """)
        let connection = try await AgentDialer(home: "/").open(Self.host(server, agent: agent))
        await #expect {
            _ = try await connection.facts()
        } throws: { error in
            let error = error as? LivemigError
            return error?.code == .disconnected
                && error?.explanation.contains("status 4; its last words: \"no memory\"") == true
        }
        await connection.close()
    }

    // Breaks when a cancelled attempt to connect goes on until its own limit.
    @Test("cancelling ends an attempt to connect")
    func cancellation() async throws {
        let listener = try SSHServerFixture.listener(port: 0, backlog: 8)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = listener.number
        _ = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(number, $0, &length)
            }
        }
        let server = try SSHServerFixture()
        var host = try Self.host(server, agent: "/bin/true")
        host.port = Int(UInt16(bigEndian: address.sin_port))
        let silent = host
        let task = Task { () -> ErrorCode? in
            do throws(LivemigError) {
                await (try AgentDialer(home: "/").open(silent)).close()
                return nil
            } catch {
                return error.code
            }
        }
        try await Task.sleep(for: .milliseconds(200))
        let clock = ContinuousClock()
        let elapsed = await clock.measure {
            task.cancel()
            #expect(await task.value == .cancelled)
        }
        #expect(elapsed < .seconds(3))
    }
}
