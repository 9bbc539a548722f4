import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host show`.
struct HostShowCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a host of the inventory.",
        usage: "livemig host show <name> [<options>]",
        discussion: """
            Example:
              livemig host show alpha
            """)

    @Argument(help: ArgumentHelp("The host.", valueName: "name"))
    var name: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let host = try context.directory().host(HostName(name))
        context.show(text: HostText.show(host), json: HostDocument(host))
        return .success
    }
}
