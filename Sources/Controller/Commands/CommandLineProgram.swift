import ArgumentParser
import Glibc
import LinuxSystem
import MigrationModel

#if CrashPoints
import CrashPoints
#endif

/// The program `livemig`, from its arguments to its exit code.
public enum CommandLineProgram {
    /// Runs the command that the arguments name, and ends the program.
    ///
    /// - Parameter arguments: without the program's own name.
    public static func main(_ arguments: [String]) async -> Never {
        ProgramEnd.leave(await run(arguments))
    }

    /// - Returns: the exit code, as the manual lists them.
    private static func run(_ arguments: [String]) async -> Int32 {
        // A reader of standard output that goes away must not end a move.
        _ = signal(SIGPIPE, SIG_IGN)
        // Guest memory passes through when moves are relayed.
        PrivateProcess.keepMemoryPrivate()
        fillStandardStreams()
        #if CrashPoints
        if let folder = unsafe getenv("LIVEMIG_CRASH_POINTS") {
            CrashPointFiles.watch(unsafe String(cString: folder))
        }
        #endif
        do {
            let command = try LivemigCommand.parseAsRoot(arguments)
            if let action = command as? any LivemigAction { return await run(action) }
            return try runHelp(command)
        } catch {
            return report(error, of: arguments)
        }
    }

    /// Opens `/dev/null` where the caller closed a standard stream: else the next file or
    /// connection would get its number, and the output meant for it.
    private static func fillStandardStreams() {
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(stream, F_GETFD) == -1 && errno == EBADF {
            _ = unsafe open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY)
        }
    }

    private static func run(_ action: any LivemigAction) async -> Int32 {
        let context = CommandContext(action.global)
        var code: MigrationModel.ExitCode
        do throws(LivemigError) {
            code = try await action.perform(in: context)
        } catch {
            context.report(error)
            code = error.code.exitCode
        }
        await context.console.finish()
        if let loss = context.console.loss { code = tell(loss, of: action, code) }
        return code.rawValue
    }

    /// Says that a result was lost.
    ///
    /// A command that is there for what it prints has failed then; of others the exit code goes on
    /// saying what became of hosts and guests.
    private static func tell(
        _ loss: LivemigError, of action: any LivemigAction, _ code: MigrationModel.ExitCode
    ) -> MigrationModel.ExitCode {
        write(ErrorText.line(loss), to: STDERR_FILENO)
        return code == .success && isForItsOutput(action) ? loss.code.exitCode : code
    }

    private static func isForItsOutput(_ action: any LivemigAction) -> Bool {
        switch action {
        case is CheckCommand, is CompletionCommand, is DoctorCommand, is HistoryCommand,
            is HostCheckCommand, is HostListCommand, is HostShowCommand, is PlanDrainCommand,
            is PlanMoveCommand, is StatusCommand, is VMListCommand, is VMShowCommand:
            true
        default: false
        }
    }

    /// `livemig help`, or a command that only has subcommands: its help, as a usage error.
    private static func runHelp(_ command: any ParsableCommand) throws -> Int32 {
        var command = command
        let isGroup =
            command is LivemigCommand || command is HostCommand || command is VMCommand
        guard isGroup else {
            try command.run()
            return MigrationModel.ExitCode.success.rawValue
        }
        write(LivemigCommand.helpMessage(for: type(of: command), columns: 80), to: STDERR_FILENO)
        return MigrationModel.ExitCode.usage.rawValue
    }

    /// Whether the results are wanted in JSON, by arguments that cannot be parsed as a whole.
    static func asksForJSON(_ arguments: [String]) -> Bool {
        let options = arguments.prefix { $0 != "--" }
        let values = zip(options, options.dropFirst()).filter { $0.0 == "--output" }.map(\.1)
        let joined = options.filter { $0.hasPrefix("--output=") }.map { $0.dropFirst(9) }
        return (values.last == "json") || (joined.last == "json")
    }

    /// What the parser has to say: help and version on standard output, errors on standard error,
    /// and as events where results are events.
    private static func report(_ error: any Error, of arguments: [String]) -> Int32 {
        let text = LivemigCommand.fullMessage(for: error, columns: 80)
        guard LivemigCommand.exitCode(for: error) != .success else {
            guard let loss = write(text, to: STDOUT_FILENO) else {
                return MigrationModel.ExitCode.success.rawValue
            }
            write(ErrorText.line(loss), to: STDERR_FILENO)
            return loss.code.exitCode.rawValue
        }
        let prefix = "Error: "
        let message =
            UnknownCommand(in: arguments)?.message
            ?? (text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
        if asksForJSON(arguments) {
            let what = message.split(separator: "\n").first.map(String.init) ?? message
            let event = ErrorEvent(LivemigError(.usage, what, fix: "see livemig --help"))
            Console.write(Array((JSONText.line(event) + "\n").utf8), to: STDOUT_FILENO)
        }
        write(ErrorText.line(code: .usage, message), to: STDERR_FILENO)
        return MigrationModel.ExitCode.usage.rawValue
    }

    @discardableResult
    private static func write(_ text: String, to stream: CInt) -> LivemigError? {
        var bytes = Array(Characters.ofLocale.shown(text).utf8)
        while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        bytes.append(UInt8(ascii: "\n"))
        return Console.write(bytes, to: stream)
    }
}
