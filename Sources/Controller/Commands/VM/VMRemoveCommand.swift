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
                try await agent.remove(vm.name, discardsSaved: discardSaved)
            }
            let line = "removed VM \(vm.name) from \(host.name)"
            if let machine {
                context.show(text: [line], json: MachineDocument(machine))
            } else {
                context.show(
                    text: [line], json: RemovedDocument(name: vm.name.text, host: host.name.text))
            }
            return .success
        }
    }
}

/// A VM that was removed and could not be read before.
struct RemovedDocument: Encodable {
    let name: String
    let host: String
}
