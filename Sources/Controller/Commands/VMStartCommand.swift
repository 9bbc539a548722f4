import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm start`.
struct VMStartCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start VMs.",
        usage: "livemig vm start <vm> ... [<options>]",
        discussion: """
            Example:
              livemig vm start web1
              livemig vm list alpha | tail -n +2 | livemig vm start -
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
                try await agent.start(vm.name)
            }
            context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
            return .success
        }
    }
}
