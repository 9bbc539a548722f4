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

            All other hosts of the inventory are asked first, so that no VM runs twice.

            Example:
              livemig vm start web1
              livemig vm list alpha | tail -n +2 | livemig vm start -
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @Flag(name: .customLong("discard-saved"), help: "Give up a saved guest and boot afresh.")
    var discardSaved = false

    @OptionGroup var unasked: UnaskedOption

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let unasked = try unasked.names()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let (machine, notes) = try await control.start(
                vm, unasked: unasked, discardsSaved: discardSaved,
                StoringText.progress(of: vm.name, "restoring", context))
            context.tell(notes)
            context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
            return .success
        }
    }
}
