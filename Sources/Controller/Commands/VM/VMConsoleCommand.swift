import ArgumentParser
import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator

/// `livemig vm console`.
struct VMConsoleCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "console", abstract: "Connect to a VM's first serial port.",
        usage: "livemig vm console <vm> [--take] [<options>]",
        discussion: """
            Ctrl-] leaves the console. Several users can watch; the first one at a terminal
            types, --take takes the keyboard over. Without a terminal on standard input the
            guest's output is copied to standard output. The console follows a guest that
            moves, and ends when the guest does or nobody reads the output.

            Example:
              livemig vm console web1
              livemig vm console web1 </dev/null | grep -m 1 login:
            """)

    @Argument(help: ArgumentHelp("The VM, or HOST/VM.", valueName: "vm"))
    var vm: String

    @Flag(help: "Type, and leave whoever types now to watch.")
    var take = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    /// Why a session is over.
    private enum Ending: Sendable {
        /// By the user, a signal, or for want of a reader.
        case left
        case ended(ConsoleEnding)
        case failed(LivemigError)
    }

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let reference = try VMReference(parsing: vm)
        let control = try context.control()
        let (endings, supply) = AsyncStream<Ending>.makeStream()
        let interrupts = try Interrupts.stream()
        let signals = Task { for await _ in interrupts { supply.yield(.left) } }
        defer { signals.cancel() }
        let outlet = ConsoleOutlet()
        outlet.whenUnread { supply.yield(.left) }
        var iterator = endings.makeAsyncIterator()
        var host = try await control.locate(reference)
        while true {
            let isTerminal = isatty(STDIN_FILENO) == 1
            let access: ConsoleAccess = take ? .takeOver : isTerminal ? .type : .watch
            let session = try await ConsoleSession(
                reference.name, on: host, access, control.dialer)
            if isTerminal { greet(session, reference.name, host, context.console) }
            let ending = await relay(
                session, outlet, isTerminal: isTerminal, &iterator, supply)
            await session.end()
            switch ending {
            case .left:
                if isTerminal { context.console.message("left \(reference.name)") }
                return .success
            case .failed(let error): throw error
            case .ended(.moved(let peer)):
                host = try follow(reference.name, to: peer, control, context.console)
            case .ended(let ending):
                return try Self.finish(ending, reference.name, host, context.console)
            }
        }
    }

    private func greet(
        _ session: ConsoleSession, _ vm: VMName, _ host: HostRecord, _ console: Console
    ) {
        let watching =
            session.canType
            ? "" : ", watching: another session types; --take takes the keyboard over"
        console.message("connected to \(vm) on \(host.name); Ctrl-] leaves\(watching)")
    }

    /// The host that a guest has moved to.
    /// - Throws: `E-NOHOST` where the inventory does not have it.
    private func follow(
        _ vm: VMName, to peer: String, _ control: HostControl, _ console: Console
    ) throws(LivemigError) -> HostRecord {
        do throws(LivemigError) {
            let host = try control.directory.host(try HostName(peer))
            console.message("livemig: VM \(vm) moved to \(host.name)")
            return host
        } catch {
            throw LivemigError(
                .noHost, "VM \(vm) moved to \(peer), which is not in the inventory",
                fix: "livemig vm console \(peer)/\(vm) where it is known")
        }
    }

    private static func finish(
        _ ending: ConsoleEnding, _ vm: VMName, _ host: HostRecord, _ console: Console
    ) throws(LivemigError) -> MigrationModel.ExitCode {
        switch ending {
        case .lost:
            throw LivemigError(
                .disconnected, "the guardian of VM \(vm) has ended", at: host.name.text,
                fix: "livemig recover \(vm) gives it a new one; then connect again")
        case .saved: console.message("livemig: VM \(vm) was saved on \(host.name)")
        case .off, .moved: console.message("livemig: VM \(vm) is off on \(host.name)")
        }
        return .success
    }

    /// Relays until the guest's console ends, the user leaves or a signal comes; the terminal is
    /// itself again before this returns.
    private func relay(
        _ session: ConsoleSession, _ outlet: ConsoleOutlet, isTerminal: Bool,
        _ endings: inout AsyncStream<Ending>.Iterator,
        _ supply: AsyncStream<Ending>.Continuation
    ) async -> Ending {
        outlet.open()
        let output = Task { supply.yield(await Self.copy(session, to: outlet)) }
        defer { output.cancel() }
        guard isTerminal else { return await endings.next() ?? .left }
        let keyboard: Keyboard
        do throws(LivemigError) {
            keyboard = try Keyboard(session) { supply.yield(.left) }
        } catch {
            return .failed(error)
        }
        let ending = await endings.next() ?? .left
        // Nothing that the guest writes may reach the terminal once it obeys the shell again.
        await outlet.close()
        await keyboard.stop()
        return ending
    }

    private static func copy(_ session: ConsoleSession, to outlet: ConsoleOutlet) async -> Ending {
        do throws(LivemigError) {
            while true {
                switch try await session.next() {
                case .output(let bytes):
                    do throws(LivemigError) {
                        try await outlet.write(bytes)
                    } catch {
                        return .left
                    }
                case .ended(let ending): return .ended(ending)
                }
            }
        } catch {
            return .failed(error)
        }
    }
}
