import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm show`.
struct VMShowCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show VMs.",
        usage: "livemig vm show <vm> ... [--definition] [<options>]",
        discussion: """
            Example:
              livemig vm show alpha/web1 --definition
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @Flag(help: "Print the definition, and nothing else in text.")
    var definition = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let host = try await control.locate(vm)
            let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
                try await agent.show(vm.name)
            }
            context.show(
                text: definition
                    ? machine.definition.split(separator: "\n").map(String.init)
                    : MachineText.show(machine),
                json: MachineDocument(machine, withDefinition: true))
            return .success
        }
    }
}
