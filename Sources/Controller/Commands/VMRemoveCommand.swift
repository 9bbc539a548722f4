import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm remove`.
struct VMRemoveCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Forget VMs that are stopped.",
        usage: "livemig vm remove <vm> ... [--discard-saved] [<options>]",
        discussion: """
            Definition and record are removed from the host; disks are not touched. A VM
            that is saved is only removed with --discard-saved.

            Example:
              livemig vm remove web1
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @Flag(name: .customLong("discard-saved"), help: "Give up a saved guest's memory.")
    var discardSaved = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let host = try await control.locate(vm)
            let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
                let machine = try await agent.show(vm.name)
                if discardSaved { _ = try await agent.discardSaved(vm.name) }
                try await agent.remove(vm.name)
                return machine
            }
            context.show(
                text: ["removed VM \(vm.name) from \(host.name)"],
                json: MachineDocument(machine))
            return .success
        }
    }
}
