import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm stop`.
struct VMStopCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Power a VM off, as if by its switch.",
        usage: "livemig vm stop <vm> [<options>]",
        discussion: """
            Example:
              livemig vm stop web1
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
            try await agent.stop(reference.name)
        }
        context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
        return .success
    }
}
