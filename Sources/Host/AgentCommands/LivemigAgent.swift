public import ArgumentParser
import Glibc
import HostAgent
import LinuxSystem

/// The command line of `livemig-agent`.
public struct LivemigAgent: ParsableCommand {
    /// Its name, help and subcommands.
    public static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "livemig-agent",
            abstract: "The part of livemig that runs on a host.",
            discussion: """
                Controllers start it over SSH; it is not meant to be run by hand, except for recover
                and doctor.
                """,
            version: AgentVersion.text,
            subcommands: [Serve.self, Lane.self, Guard.self, Recover.self, Doctor.self])
    }

    /// A command line without arguments.
    public init() {}

    /// Reads arguments, and the names in them, and does nothing.
    /// - Throws: what is wrong with them, or what is printed instead, such as help.
    package static func check(_ arguments: [String]) throws {
        switch try parseAsRoot(arguments) {
        case let lane as Lane: _ = try lane.migration()
        case let guarding as Guard: _ = try guarding.name()
        default: break
        }
    }
}

/// The program `livemig-agent`, from its arguments to its end.
public enum AgentCommandLine {
    /// Runs the command that the arguments name, and ends the program.
    ///
    /// - Parameter arguments: without the program's own name.
    public static func run(_ arguments: [String]) -> Never {
        do {
            var command = try LivemigAgent.parseAsRoot(arguments)
            try command.run()
            ProgramEnd.leave(0)
        } catch {
            let status = LivemigAgent.exitCode(for: error)
            let text = Array((LivemigAgent.fullMessage(for: error) + "\n").utf8)
            let stream = status.isSuccess ? STDOUT_FILENO : STDERR_FILENO
            try? DescriptorIO.write(text, to: stream)
            ProgramEnd.leave(status.rawValue)
        }
    }
}
