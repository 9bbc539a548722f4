import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host list`.
struct HostListCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the hosts of the inventory.",
        usage: "livemig host list [<options>]",
        discussion: """
            Example:
              livemig host list --output json
            """)

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let hosts = try context.directory().hosts
        context.show(
            text: HostText.list(hosts), json: HostsDocument(hosts: hosts.map(HostDocument.init)))
        return .success
    }
}
