import MigrationModel
import Synchronization

/// Conversations with agents that wait for their next use, within one command.
///
/// A key exchange, a login and a process cost more than what most requests do. A conversation is
/// with whoever took it, or here, where nothing is under way in it. Any task may use it.
final class AgentPool: Sendable {
    /// What a host has said that nobody asked for.
    typealias Note = (host: HostName, finding: Finding)

    private struct Agents {
        var idle: [HostName: [AgentConnection]] = [:]
        /// Those that have ended or said something that was not asked for, while they are ended.
        var leaving: [Task<[Note], Never>] = []

        mutating func end(_ agent: AgentConnection) {
            leaving.append(Task { await agent.leave().map { (agent.host.name, $0) } })
        }
    }

    private let agents = Mutex(Agents())

    /// Takes a conversation with a host; `nil` when none is left that is of use.
    func take(_ host: HostName) -> AgentConnection? {
        agents.withLock { agents in
            while let agent = agents.idle[host]?.popLast() {
                if agent.isIdle { return agent }
                agents.end(agent)
            }
            return nil
        }
    }

    /// Keeps a conversation that has answered all that it was asked, if it is of use.
    func keep(_ agent: AgentConnection) {
        agents.withLock { agents in
            if agent.isIdle {
                agents.idle[agent.host.name, default: []].append(agent)
            } else {
                agents.end(agent)
            }
        }
    }

    /// Ends all that were kept, and waits until they are gone.
    /// - Returns: what hosts have said that nobody asked for.
    func close() async -> [Note] {
        let leaving = agents.withLock { agents in
            for agent in agents.idle.values.flatMap({ $0 }) { agents.end(agent) }
            defer { agents = Agents() }
            return agents.leaving
        }
        var notes: [Note] = []
        for task in leaving { notes += await task.value }
        return notes
    }
}

extension HostControl {
    /// Runs work that talks to hosts several times: conversations are kept from one use to the
    /// next, and ended with the work.
    ///
    /// - Parameters:
    ///   - note: told what hosts have said besides, once the work is done.
    ///   - work: the work.
    func keepingConversations<Value, Failure: Error>(
        noting note: (HostName, Finding) -> Void = { _, _ in },
        _ work: (HostControl) async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let pool = AgentPool()
        do {
            let value = try await work(HostControl(directory, dialer, keepingIn: pool))
            for left in await pool.close() { note(left.host, left.finding) }
            return value
        } catch {
            for left in await pool.close() { note(left.host, left.finding) }
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

    /// Keeps a conversation that has answered all that it was asked, or ends it where none are kept.
    func release(_ agent: AgentConnection) async {
        if let kept { kept.keep(agent) } else { await agent.close() }
    }
}
