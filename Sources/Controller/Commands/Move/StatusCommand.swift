import ArgumentParser
import Handoff
import MigrationModel
import Orchestrator

/// `livemig status`.
struct StatusCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say where VMs are, from all hosts' records.",
        usage: "livemig status [<vm> ...] [<options>]",
        discussion: """
            Below each VM stands what every host's record says: OWN and INT give the right
            to run it, ARM and RDY wait for it, REL and GONE have given it away.

            Example:
              livemig status web1
            """)

    @Argument(
        help: ArgumentHelp(VMNames.help + " All when none is named.", valueName: "vm"))
    var vms: [String] = []

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let references = try await VMNames.references(vms)
        guard !vms.isEmpty else {
            let all = await control.locations()
            context.show(
                text: MachineText.status(all.vms),
                json: StatusDocument(all.vms, errors: all.silent))
            let errors = all.silent + all.vms.compactMap(\.trouble)
            _ = context.complain(about: errors)
            return .worst(of: errors.map(\.code.exitCode))
        }
        guard !references.isEmpty else { return context.nothingToDo() }
        for host in references.compactMap(\.host) { _ = try control.directory.host(host) }
        var found: [VMLocation] = []
        for vm in references { found += await control.locations(of: vm) }
        let errors = found.compactMap(\.trouble)
        context.show(
            text: MachineText.status(found), json: StatusDocument(found, errors: errors))
        _ = context.complain(about: errors)
        return .worst(of: errors.map(\.code.exitCode))
    }
}
