import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm remove`.
struct VMRemoveCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Forget a VM that is stopped.",
        usage: "livemig vm remove <vm> [<options>]",
        discussion: """
            Its definition and record are removed from the host; its disks are not touched.

            Example:
              livemig vm remove web1
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
            let machine = try await agent.show(reference.name)
            try await agent.remove(reference.name)
            return machine
        }
        context.show(
            text: ["removed VM \(reference.name) from \(host.name)"],
            json: MachineDocument(machine))
        return .success
    }
}
