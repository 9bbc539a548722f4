import Glibc
import LinuxSystem
import MigrationModel
import Synchronization

/// SIGINT, SIGTERM and SIGHUP as events, instead of the program's end.
///
/// A signal counts for the rest of the command: whoever begins something asks `haveCome` first.
/// The handler writes a byte to a pipe, the only thing that is safe in one (signal-safety(7)).
enum Interrupts {
    private struct State: Sendable {
        var count = 0
        var isCaught = false
        var react: (@Sendable () -> Void)?
    }

    private static let state = Mutex(State())
    /// Where the handler writes; below 0 before there is a pipe.
    private static let end = Atomic<CInt>(-1)

    /// Catches the signals from now on; further calls do nothing.
    ///
    /// Those that the caller ignores stay ignored, as nohup(1) and the shell's `&` have it.
    static func catchSignals() throws(LivemigError) {
        let isFirst = state.withLock { state in
            defer { state.isCaught = true }
            return !state.isCaught
        }
        guard isFirst else { return }
        let pipe = try OwnedDescriptor.pipe().release()
        end.store(pipe.second, ordering: .sequentiallyConsistent)
        _ = WorkerThread("signals") {
            let input = OwnedDescriptor(owning: pipe.first)
            var byte: UInt8 = 0
            while true {
                let count = try SystemCall.check("read") { unsafe read(input.number, &byte, 1) }
                guard count == 1 else { return }
                note()
            }
        }
        for number in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(number) {
            _ = signal(number, handler)
        }
    }

    /// Whether a signal has come since they are caught.
    static var haveCome: Bool { state.withLock { $0.count > 0 } }

    /// Runs a body while each signal calls `react`, on a thread of its own; one that has come
    /// before calls it at once.
    static func reacting<Value>(
        by react: @escaping @Sendable () -> Void, _ body: () async -> Value
    ) async -> Value {
        let missed = state.withLock { state in
            state.react = react
            return state.count
        }
        if missed > 0 { react() }
        let value = await body()
        state.withLock { $0.react = nil }
        return value
    }

    /// Runs a body that the first signal cancels; it runs to its end all the same.
    static func cancelling<Value: Sendable>(
        _ body: @escaping @Sendable () async -> Value
    ) async -> Value {
        let task = Task { await body() }
        return await reacting(by: { task.cancel() }) { await task.value }
    }

    /// Catches the signals from now on.
    /// - Returns: an element for each signal.
    static func stream() throws(LivemigError) -> AsyncStream<Void> {
        try catchSignals()
        let (stream, supply) = AsyncStream<Void>.makeStream()
        state.withLock { $0.react = { supply.yield() } }
        return stream
    }

    /// The error about something that a signal has kept from being begun.
    static func notBegun(_ vm: String) -> LivemigError {
        LivemigError(
            .cancelled, "not begun before the interruption", at: "VM \(vm)",
            fix: "run the command again")
    }

    /// The error about something that a signal has ended in the middle.
    static func givenUp(_ vm: String) -> LivemigError {
        LivemigError(
            .cancelled, "interrupted; what a host was asked may be done all the same",
            at: "VM \(vm)", fix: "livemig status says what came of it")
    }

    private static func note() {
        let react = state.withLock { state in
            state.count += 1
            return state.react
        }
        react?()
    }

    private static func isIgnored(_ number: CInt) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        // Ignoring is the one disposition that is the number 1 instead of a function.
        let current = unsafe action.__sigaction_handler.sa_handler
        return unsafe unsafeBitCast(current, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    private static let handler: @convention(c) (CInt) -> Void = { _ in
        let saved = errno
        var byte: UInt8 = 1
        _ = unsafe write(end.load(ordering: .sequentiallyConsistent), &byte, 1)
        errno = saved
    }
}
