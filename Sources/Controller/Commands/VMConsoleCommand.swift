import ArgumentParser
import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator

/// `livemig vm console`.
struct VMConsoleCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "console", abstract: "Connect to a VM's first serial port.",
        usage: "livemig vm console <vm> [<options>]",
        discussion: """
            Ctrl-] leaves the console. Without a terminal on standard input the guest's
            output is copied to standard output until it ends.

            Example:
              livemig vm console web1
            """)

    @Argument(help: ArgumentHelp("The VM, or HOST/VM.", valueName: "vm"))
    var vm: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let reference = try VMReference(parsing: vm)
        let control = try context.control()
        let host = try await control.locate(reference)
        let interrupts = try Interrupts.stream()
        let session = try await ConsoleSession(reference.name, on: host, control.dialer)
        let isTerminal = isatty(STDIN_FILENO) == 1
        if isTerminal {
            context.console.message(
                "connected to \(reference.name) on \(host.name); Ctrl-] leaves")
        }
        let result = await relay(session, interrupts, context.console, isTerminal: isTerminal)
        await session.end()
        await context.console.drain()
        if isTerminal { context.console.message("left \(reference.name)") }
        try result.get()
        return .success
    }

    /// Relays until the guest ends, the user leaves or a signal comes; the terminal is itself again
    /// before this returns.
    private func relay(
        _ session: ConsoleSession, _ interrupts: AsyncStream<Void>, _ console: Console,
        isTerminal: Bool
    ) async -> Result<Void, LivemigError> {
        let (endings, supply) = AsyncStream<Result<Void, LivemigError>>.makeStream()
        let output = Task {
            supply.yield(
                await Result.of { () async throws(LivemigError) in
                    try await copy(session, to: console)
                })
        }
        let signals = Task { for await _ in interrupts { supply.yield(.success(())) } }
        defer {
            output.cancel()
            signals.cancel()
        }
        guard isTerminal else { return await first(of: endings) }
        let result = await Result.of { () async throws(LivemigError) in
            let keyboard = try Keyboard(session) { supply.yield(.success(())) }
            let end = await first(of: endings)
            await keyboard.stop()
            try end.get()
        }
        await console.drain()
        return result
    }

    private func first(
        of endings: AsyncStream<Result<Void, LivemigError>>
    ) async -> Result<Void, LivemigError> {
        var iterator = endings.makeAsyncIterator()
        return await iterator.next() ?? .success(())
    }

    private func copy(
        _ session: ConsoleSession, to console: Console
    ) async throws(LivemigError) {
        while let bytes = try await session.output() {
            console.raw(bytes)
            await console.drain()
        }
    }
}

/// What is typed at the terminal, read by a thread of its own, with the terminal in raw mode.
private struct Keyboard: ~Copyable {
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
            defer { onLeave() }
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let ready = try Poll.wait([.init(STDIN_FILENO), .init(stop.number)])
                if ready.contains(stop.number) { return }
                let count = try unsafe buffer.withUnsafeMutableBytes {
                    try unsafe DescriptorIO.read(into: $0, from: STDIN_FILENO)
                }
                if count == 0 { return }
                let typed = TypedBytes.split(Array(buffer.prefix(count)))
                if !typed.bytes.isEmpty { session.type(typed.bytes) }
                if typed.leaves { return }
            }
        }
    }

    /// Ends the thread, and gives the terminal back.
    consuming func stop() async {
        var byte: UInt8 = 0
        _ = unsafe write(stopEnd.number, &byte, 1)
        let thread = thread
        _ = await BlockingWork.value("keyboard-join") { try? thread.join() }
    }
}
