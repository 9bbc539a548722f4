import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm list`.
struct VMListCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the VMs of a host, or of all hosts.",
        usage: "livemig vm list [<host>] [<options>]",
        discussion: """
            A VM whose definition or record cannot be read is not in the list: an error says
            what is wrong with it, and the exit code is the worst error's.

            Example:
              livemig vm list alpha --output json
            """)

    @Argument(
        help: ArgumentHelp("The host; all of the inventory when none is named.", valueName: "host"))
    var host: String?

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        var hosts = control.directory.hosts
        if let host { hosts = [try control.directory.host(HostName(host))] }
        let answers = await control.machines(on: hosts)
        context.show(text: MachineText.list(answers), json: MachinesDocument(answers))
        let errors =
            answers.compactMap(\.error)
            + answers.flatMap { $0.value?.damaged ?? [] }.map(\.complaint)
        _ = context.complain(about: errors)
        return .worst(of: errors.map(\.code.exitCode))
    }
}
