import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host check`.
struct HostCheckCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Connect to hosts and show what they can do.",
        usage: "livemig host check [<name> ...] [<options>]",
        discussion: """
            Example:
              livemig host check alpha beta
            """)

    @Argument(
        help: ArgumentHelp("The hosts; all of the inventory when none is named.", valueName: "name")
    )
    var names: [String] = []

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let answers = await control.facts(of: try control.directory.hosts(names))
        context.show(
            text: HostText.check(answers),
            json: HostChecksDocument(hosts: answers.map(HostCheckDocument.init)))
        return context.complain(about: answers.compactMap(\.error))
    }
}
