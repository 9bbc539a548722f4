public import MigrationModel

/// What a host answered when all were asked.
public struct HostAnswer<Value: Sendable>: Sendable {
    /// The host.
    public let host: HostRecord
    /// Its answer, or why there is none.
    public let result: Result<Value, LivemigError>

    /// States an answer.
    public init(_ host: HostRecord, _ result: Result<Value, LivemigError>) {
        self.host = host
        self.result = result
    }

    /// The answer, if there is one.
    public var value: Value? { try? result.get() }

    /// Why there is none.
    public var error: LivemigError? {
        if case .failure(let error) = result { error } else { nil }
    }
}

/// Asks hosts at once; the answers are in the hosts' order.
///
/// At most 16 hosts are asked at a time: each takes four threads and an SSH connection.
func askAll<Value: Sendable>(
    _ hosts: [HostRecord],
    _ ask: @escaping @Sendable (HostRecord) async throws(LivemigError) -> Value
) async -> [HostAnswer<Value>] {
    await withTaskGroup(of: (Int, Result<Value, LivemigError>).self) { group in
        var results: [Int: Result<Value, LivemigError>] = [:]
        for (index, host) in hosts.enumerated() {
            if index >= 16, let (done, result) = await group.next() { results[done] = result }
            group.addTask {
                do throws(LivemigError) {
                    return (index, .success(try await ask(host)))
                } catch {
                    return (index, .failure(error))
                }
            }
        }
        for await (done, result) in group { results[done] = result }
        return hosts.enumerated().compactMap { index, host in
            results[index].map { HostAnswer(host, $0) }
        }
    }
}

/// Asks hosts at once until their answers are enough; those that have not answered within a second
/// are not waited for then.
///
/// What they are being asked goes on, so that nobody has to ask again whether they are silent.
/// - Parameters:
///   - hosts: who is asked, at most 32 at a time.
///   - isEnough: whether answers so far are enough.
///   - discard: takes an answer that comes too late.
///   - ask: asks one.
/// - Returns: the answers in the hosts' order, `E-STALL` for those not waited for.
func ask<Value: Sendable>(
    _ hosts: [HostRecord], until isEnough: ([HostAnswer<Value>]) -> Bool,
    discarding discard: @escaping @Sendable (Value) async -> Void = { _ in },
    _ ask: @escaping @Sendable (HostRecord) async throws(LivemigError) -> Value
) async -> [HostAnswer<Value>] {
    typealias Answer = (index: Int, result: Result<Value, LivemigError>)
    // Without an answer: the second is over.
    let (answers, supply) = AsyncStream<Answer?>.makeStream()
    let begin = { @Sendable (index: Int) in
        Task {
            let result: Result<Value, LivemigError>
            do throws(LivemigError) {
                result = .success(try await ask(hosts[index]))
            } catch {
                result = .failure(error)
            }
            guard case .terminated = supply.yield((index, result)) else { return }
            if case .success(let value) = result { await discard(value) }
        }
    }
    var tasks = hosts.indices.prefix(32).map(begin)
    let timer = Task {
        guard (try? await Task.sleep(for: HostContacts.quiet)) != nil else { return }
        supply.yield(nil)
    }
    var results: [Int: Result<Value, LivemigError>] = [:]
    var isLate = false
    func known() -> [HostAnswer<Value>] {
        hosts.indices.map { index in
            let silence = LivemigError(
                .stall, "it has not answered yet", at: hosts[index].name.text)
            return HostAnswer(hosts[index], results[index] ?? .failure(silence))
        }
    }
    if hosts.isEmpty { supply.finish() }
    for await answer in answers {
        if let answer {
            results[answer.index] = answer.result
            if tasks.count < hosts.count { tasks.append(begin(tasks.count)) }
        } else {
            isLate = true
        }
        if results.count == hosts.count || (isLate && isEnough(known())) { break }
    }
    supply.finish()
    timer.cancel()
    if Task.isCancelled { for task in tasks { task.cancel() } }
    return known()
}
