import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator

/// What is typed at the terminal, read by a thread of its own, with the terminal in raw mode.
struct Keyboard: ~Copyable {
    private let terminal: RawTerminal
    private let stopEnd: OwnedDescriptor
    private let thread: WorkerThread<Void>

    /// - Parameters:
    ///   - session: what is typed at.
    ///   - onLeave: called on the thread when the user leaves or the terminal ends.
    init(
        _ session: ConsoleSession, onLeave: @escaping @Sendable () -> Void
    ) throws(LivemigError) {
        let terminal = try RawTerminal(STDIN_FILENO)
        let pipe = try OwnedDescriptor.pipe().release()
        self.terminal = terminal
        stopEnd = OwnedDescriptor(owning: pipe.second)
        thread = WorkerThread("keyboard") {
            let stop = OwnedDescriptor(owning: pipe.first)
            // Also when reading fails: a terminal that was hung up gives an error (EIO).
            var hasLeft = true
            defer { if hasLeft { onLeave() } }
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let ready = try Poll.wait([.init(STDIN_FILENO), .init(stop.number)])
                if ready.contains(stop.number) {
                    hasLeft = false
                    return
                }
                let count = try unsafe buffer.withUnsafeMutableBytes {
                    try unsafe DescriptorIO.read(into: $0, from: STDIN_FILENO)
                }
                if count == 0 { return }
                let typed = TypedBytes.split(Array(buffer.prefix(count)))
                if !typed.bytes.isEmpty, session.canType { session.type(typed.bytes) }
                if typed.leaves { return }
            }
        }
    }

    /// Ends the thread, and gives the terminal back.
    consuming func stop() async {
        var byte: UInt8 = 0
        _ = unsafe write(stopEnd.number, &byte, 1)
        let thread = thread
        _ = await BlockingWork.value("keyboard-join") { thread.result(by: .now + .seconds(1)) }
    }
}

/// Standard output of a console: a reader that has gone ends the console, and one that does not
/// read holds nothing up but the output.
final class ConsoleOutlet: Sendable {
    private struct State {
        var isClosed = false
        var isWriting = false
    }

    private let state = Monitor(State())

    /// Calls back once nobody reads the output any more: a pipe says so while nothing is written
    /// (poll(2), `POLLERR`).
    func whenUnread(_ body: @escaping @Sendable () -> Void) {
        _ = WorkerThread("output") {
            _ = try? Poll.wait([.init(STDOUT_FILENO, 0)])
            body()
        }
    }

    /// Writes bytes, waiting as long as they are not taken; none once it is closed.
    /// - Throws: `E-DISCONNECTED` when the reader has gone.
    func write(_ bytes: [UInt8]) async throws(LivemigError) {
        try await BlockingWork.run("output") { [state] () throws(LivemigError) in
            let isOpen = state.withLock { state in
                state.isWriting = !state.isClosed
                return state.isWriting
            }
            guard isOpen else { return }
            defer { state.withLock { $0.isWriting = false } }
            try DescriptorIO.write(bytes, to: STDOUT_FILENO)
        }
    }

    /// Lets nothing more out, and gives what is being written a moment.
    func close() async {
        _ = await BlockingWork.value("output-close") { [state] in
            state.withLock { $0.isClosed = true }
            _ = state.wait(deadline: .now + .milliseconds(200)) { $0.isWriting ? nil : () }
        }
    }

    /// Lets output through again.
    func open() { state.withLock { $0.isClosed = false } }
}
