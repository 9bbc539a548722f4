import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm start`.
struct VMStartCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start VMs, or restore those that are saved.",
        usage: "livemig vm start <vm> ... [--discard-saved] [<options>]",
        discussion: """
            A VM that is saved goes on where it stood; --discard-saved gives its memory up
            and boots it afresh.

            Example:
              livemig vm start web1
              livemig vm list alpha | tail -n +2 | livemig vm start -
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @Flag(name: .customLong("discard-saved"), help: "Give up a saved guest and boot afresh.")
    var discardSaved = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let host = try await control.locate(vm)
            let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
                if discardSaved { _ = try await agent.discardSaved(vm.name) }
                return try await agent.start(
                    vm.name, StoringText.progress(of: vm.name, "restoring", context))
            }
            context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
            return .success
        }
    }
}
