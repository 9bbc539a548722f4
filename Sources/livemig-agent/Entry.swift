import ArgumentParser
import Glibc
import HostAgent
import MigrationModel

@main
struct LivemigAgent: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "livemig-agent",
        abstract: "The part of livemig that runs on a host.",
        discussion: """
            Controllers start it over SSH; it is not meant to be run by hand, except for recover
            and doctor.
            """,
        version: AgentVersion.text,
        subcommands: [Serve.self, Lane.self, Guard.self, Recover.self, Doctor.self])
}
