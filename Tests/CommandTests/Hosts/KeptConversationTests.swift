import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

@testable import Orchestrator

/// Conversations with real agents that are kept from one question to the next.
@Suite("Conversations that are kept", .serialized)
struct KeptConversationTests {
    private static func host(_ server: SSHServerFixture) throws -> HostRecord {
        let root = server.folder.path("r")
        _ = unsafe mkdir(root, 0o700)
        return HostRecord(
            name: try HostName("alpha"), address: "127.0.0.1", port: server.port,
            user: server.user, identity: server.clientKey, root: root,
            agent: try BuildProducts.program("livemig-agent"), hostKeys: [server.hostKey])
    }

    private static func control(_ host: HostRecord) -> HostControl {
        HostControl(HostDirectory([host]), AgentDialer(home: "/"))
    }

    private static func ask(_ control: HostControl, _ host: HostRecord) async throws(LivemigError) {
        _ = try await control.talk(to: host) { agent async throws(LivemigError) in
            try await agent.machines()
        }
    }

    /// sshd's processes of a session end a moment after the client has closed it.
    private static func expectNoSessions(_ server: SSHServerFixture) throws {
        let deadline = MonotonicTime.now + .seconds(10)
        while !server.sessions.isEmpty, MonotonicTime.now < deadline {
            _ = try Poll.wait([], timeout: .milliseconds(10))
        }
        #expect(server.sessions == [])
    }

    // Breaks when each question costs a login, or a conversation outlives the work.
    @Test("many questions take one login")
    func oneLogin() async throws {
        let server = try SSHServerFixture()
        let host = try Self.host(server)
        try await Self.control(host).keepingConversations { control async throws(LivemigError) in
            for _ in 0..<3 { try await Self.ask(control, host) }
        }
        #expect(server.logins == 1)
        try Self.expectNoSessions(server)
        try await Self.ask(Self.control(host), host)
        try await Self.ask(Self.control(host), host)
        #expect(server.logins == 3)
    }

    // Breaks when a conversation is with two at a time.
    @Test("two at once take two logins")
    func twoAtOnce() async throws {
        let server = try SSHServerFixture()
        let host = try Self.host(server)
        try await Self.control(host).keepingConversations { control async throws(LivemigError) in
            let first = try await control.open(host) { _ in 1 }
            try await Self.ask(control, host)
            await control.release(first.agent)
            try await Self.ask(control, host)
        }
        #expect(server.logins == 2)
        try Self.expectNoSessions(server)
    }

    // Breaks when a conversation that broke while it was kept fails what a new one can do.
    @Test("one that broke is begun anew")
    func broken() async throws {
        let server = try SSHServerFixture()
        let host = try Self.host(server)
        try await Self.control(host).keepingConversations { control async throws(LivemigError) in
            for _ in 0..<5 {
                try await Self.ask(control, host)
                // Whether it is noticed before the next question is left to chance.
                for session in server.sessions { kill(session, SIGKILL) }
                let (agent, list) = try await control.open(host) {
                    agent async throws(LivemigError) in try await agent.machines()
                }
                #expect(list == MachineList())
                await control.release(agent)
            }
        }
        #expect(server.logins == 6)
    }

    // Breaks when a host that has said something nobody asked for is asked the next question.
    @Test("one with words left in it is not kept")
    func leftWords() async throws {
        let server = try SSHServerFixture()
        let host = try Self.host(server)
        try await Self.control(host).keepingConversations { control async throws(LivemigError) in
            let (agent, _) = try await control.open(host) { agent async throws(LivemigError) in
                try await agent.machines()
            }
            agent.send(ListMachines())
            while agent.isIdle { usleep(1000) }
            await control.release(agent)
            try await Self.ask(control, host)
        }
        #expect(server.logins == 2)
    }
}
