public import ArgumentParser
import HostAgent

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
        case let guarding as Guard:
            _ = try guarding.name()
            _ = try guarding.role()
        default: break
        }
    }
}
