import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm stop`.
struct VMStopCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Power VMs off, as if by their switch.",
        usage: "livemig vm stop <vm> ... [<options>]",
        discussion: """
            Example:
              livemig vm stop web1
              livemig vm list alpha | tail -n +2 | livemig vm stop -
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let host = try await control.locate(vm)
            let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
                try await agent.stop(vm.name)
            }
            context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
            return .success
        }
    }
}
