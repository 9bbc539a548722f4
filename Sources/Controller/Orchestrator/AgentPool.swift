import MigrationModel
import Synchronization

/// Conversations with agents that wait for their next use, within one command.
///
/// A key exchange, a login and a process cost more than what most requests do. A conversation is
/// with whoever took it, or here, where nothing is under way in it. Any task may use it.
final class AgentPool: Sendable {
    private let idle = Mutex<[HostName: [AgentConnection]]>([:])

    /// Takes a conversation with a host; `nil` when none is left that the host has not ended.
    func take(_ host: HostName) -> AgentConnection? {
        idle.withLock { idle in
            while let agent = idle[host]?.popLast() {
                if agent.isIdle { return agent }
            }
            return nil
        }
    }

    /// Keeps a conversation in which nothing is under way.
    func keep(_ agent: AgentConnection) {
        idle.withLock { $0[agent.host.name, default: []].append(agent) }
    }

    /// Ends all that are here, and waits until they are gone.
    func close() async {
        let agents = idle.withLock { idle in
            defer { idle = [:] }
            return idle.values.flatMap { $0 }
        }
        await withTaskGroup(of: Void.self) { group in
            for agent in agents { group.addTask { await agent.close() } }
        }
    }
}

extension HostControl {
    /// Runs work that talks to hosts several times: conversations are kept from one use to the
    /// next, and ended with the work.
    func keepingConversations<Value, Failure: Error>(
        _ work: (HostControl) async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let pool = AgentPool()
        do {
            let value = try await work(HostControl(directory, dialer, keepingIn: pool))
            await pool.close()
            return value
        } catch {
            await pool.close()
            throw error
        }
    }

    /// Opens a conversation with a host, and begins with a question that may be asked twice.
    ///
    /// A conversation that was kept may have broken since, unnoticed; a new one is begun then.
    /// - Throws: why there is no answer; the conversation has ended then.
    func open<Answer>(
        _ host: HostRecord, asking question: (AgentConnection) async throws(LivemigError) -> Answer
    ) async throws(LivemigError) -> (agent: AgentConnection, answer: Answer) {
        if let agent = kept?.take(host.name) {
            if let answer = try? await question(agent) { return (agent, answer) }
            await agent.close()
        }
        let agent = try await dialer.open(host)
        do throws(LivemigError) {
            return (agent, try await question(agent))
        } catch {
            await agent.close()
            throw error
        }
    }

    /// Keeps a conversation in which nothing is under way, or ends it where none are kept.
    func release(_ agent: AgentConnection) async {
        if let kept, agent.isIdle { kept.keep(agent) } else { await agent.close() }
    }
}
