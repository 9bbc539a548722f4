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
