import LinuxSystem
public import MigrationModel

/// Code that blocks, run on a thread of its own while a task waits for it.
public enum BlockingWork {
    /// Runs a closure on a new thread; the task that waits holds no thread of the pool.
    ///
    /// Cancelling the task does not end the closure: whoever starts it has a way to.
    /// - Parameters:
    ///   - name: the thread's name; the kernel keeps 15 bytes of it.
    ///   - body: what blocks.
    /// - Throws: what the closure throws.
    public static func run<Value: Sendable>(
        _ name: String, _ body: @escaping @Sendable () throws(LivemigError) -> Value
    ) async throws(LivemigError) -> Value {
        try await value(name) { Result { () throws(LivemigError) in try body() } }.get()
    }

    /// Runs a closure that does not throw, as `run` does.
    public static func value<Value: Sendable>(
        _ name: String, _ body: @escaping @Sendable () -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            _ = WorkerThread(name) { continuation.resume(returning: body()) }
        }
    }
}

/// Runs a closure with a limit on its time.
///
/// - Parameters:
///   - limit: the longest time; when it is over, the closure is cancelled.
///   - late: the error that is thrown then.
///   - body: must return soon after its task is cancelled.
func withDeadline<Value: Sendable>(
    _ limit: Duration, late: LivemigError,
    _ body: @escaping @Sendable () async throws(LivemigError) -> Value
) async throws(LivemigError) -> Value {
    let result = await withTaskGroup(of: Result<Value, LivemigError>?.self) { group in
        group.addTask {
            do throws(LivemigError) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        group.addTask {
            do { try await Task.sleep(for: limit) } catch { return .failure(late) }
            return nil
        }
        let first = await group.next()
        group.cancelAll()
        return first ?? nil
    }
    guard let result else { throw late }
    return try result.get()
}
