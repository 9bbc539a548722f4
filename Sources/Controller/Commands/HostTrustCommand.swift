import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host trust`.
struct HostTrustCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Let two hosts' agents open data lanes to each other.",
        usage: "livemig host trust <a> <b> [<options>]",
        discussion: """
            Each agent gets a key of its own, which the other host accepts for lanes of a
            move and nothing else (a forced command in authorized_keys).

            Example:
              livemig host trust alpha beta
            """)

    @Argument(help: ArgumentHelp("A host.", valueName: "a"))
    var first: String

    @Argument(help: ArgumentHelp("Another host.", valueName: "b"))
    var second: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let (first, second) = (try HostName(first), try HostName(second))
        let control = try context.control()
        try await control.trust(first, second)
        let hosts = try [first, second].map { name throws(LivemigError) in
            HostDocument(try control.directory.host(name))
        }
        context.show(
            text: ["\(first) and \(second) trust each other for data lanes"],
            json: HostsDocument(hosts: hosts))
        return .success
    }
}
