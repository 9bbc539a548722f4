import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm start`.
struct VMStartCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start a VM.",
        usage: "livemig vm start <vm> [<options>]",
        discussion: """
            Example:
              livemig vm start web1
            """)

    @Argument(help: ArgumentHelp("The VM, or HOST/VM.", valueName: "vm"))
    var vm: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let reference = try VMReference(parsing: vm)
        let control = try context.control()
        let host = try await control.locate(reference)
        let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
            try await agent.start(reference.name)
        }
        context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
        return .success
    }
}
