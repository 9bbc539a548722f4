import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm show`.
struct VMShowCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a VM.",
        usage: "livemig vm show <vm> [--definition] [<options>]",
        discussion: """
            Example:
              livemig vm show alpha/web1 --definition
            """)

    @Argument(help: ArgumentHelp("The VM, or HOST/VM.", valueName: "vm"))
    var vm: String

    @Flag(help: "Print the definition, and nothing else in text.")
    var definition = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let reference = try VMReference(parsing: vm)
        let control = try context.control()
        let host = try await control.locate(reference)
        let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
            try await agent.show(reference.name)
        }
        context.show(
            text: definition
                ? machine.definition.split(separator: "\n").map(String.init)
                : MachineText.show(machine),
            json: MachineDocument(machine, withDefinition: true))
        return .success
    }
}
