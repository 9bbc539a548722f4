import CLinux
import Glibc

/// A thread of its own for code that blocks, with a result to wait for.
///
/// Blocking C libraries and the engine's lanes run here, never on the cooperative pool.
public final class WorkerThread<Value: Sendable>: Sendable {
    private let outcome = Monitor<Result<Value, any Error>?>(nil)

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: shown by `ps -T` and debuggers; the kernel keeps 15 bytes of it.
    ///   - body: what the thread runs.
    public init(_ name: String, _ body: sending @escaping () throws -> Value) {
        let start = ThreadStart(name: String(name.prefix(15))) { [outcome] in
            let result = Result { try body() }
            outcome.withLock { $0 = result }
        }
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(start).toOpaque()
        let failure = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
                unsafe clinux_name_thread(start.name)
                start.run()
                return nil
            }, argument)
        precondition(failure == 0, "pthread_create failed with errno \(failure)")
        _ = pthread_detach(thread)
    }

    /// Waits for the thread to end and returns or throws what it did.
    public func join() throws -> Value {
        try outcome.wait { $0 }.get()
    }

    /// The result if the thread has ended.
    public var result: Result<Value, any Error>? { outcome.withLockUnnoticed { $0 } }

    /// The result if the thread ends before a deadline.
    public func result(by deadline: MonotonicTime) -> Result<Value, any Error>? {
        outcome.wait(deadline: deadline) { $0 }
    }
}

private final class ThreadStart {
    let name: String
    let run: () -> Void

    init(name: String, run: @escaping () -> Void) {
        self.name = name
        self.run = run
    }
}
