import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host settings`.
struct HostSettingsCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "Show or change what a host allows in moves.",
        usage: "livemig host settings <name> [<options>]",
        discussion: """
            Without options for changes it only shows. The host itself keeps its settings
            and obeys them, whoever asks for a move.

            Example:
              livemig host settings beta
              livemig host settings beta --live-moves 1 --memory-reserve 4GiB
              livemig host settings beta --network 10.77.0.0/24=1 --only-networks
              livemig host settings beta --network-moves 10.77.0.0/24=1
              livemig host settings beta --disable
            """)

    @Argument(help: ArgumentHelp("The host.", valueName: "name"))
    var name: String

    @OptionGroup(title: "Changes") var changes: HostPolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let name = try HostName(name)
        let change = try changes.change()
        let settings = try await context.control().settings(of: name) {
            policy throws(LivemigError) in try change.apply(to: &policy)
        }
        context.show(
            text: HostSettingsText.lines(settings), json: HostSettingsDocument(name, settings))
        return .success
    }
}
