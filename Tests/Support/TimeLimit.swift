import LinuxSystem
import MigrationModel

/// Runs code that must not hang on a thread of its own, and gives up waiting for it in time.
///
/// A thread that hangs stays behind; the test fails and the run goes on.
/// - Throws: what the code throws, or `E-TIMEOUT` when it has not ended.
@discardableResult
public func within<Value: Sendable>(
    _ limit: Duration, _ what: String = "the test", _ body: sending @escaping () throws -> Value
) throws -> Value {
    let outcome = Monitor<Result<Value, any Error>?>(nil)
    let worker = WorkerThread(what, body)
    _ = WorkerThread("watch") {
        let result = Result { try worker.join() }
        outcome.withLock { $0 = result }
    }
    guard let result = outcome.wait(deadline: .now + limit, until: { $0 }) else {
        throw LivemigError(.timeout, "\(what) has not ended within \(limit.brief)")
    }
    return try result.get()
}
