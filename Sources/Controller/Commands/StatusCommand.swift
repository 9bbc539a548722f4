import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig status`.
struct StatusCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say where VMs are, from all hosts' records.",
        usage: "livemig status [<vm>] [<options>]",
        discussion: """
            Below each VM stands what every host's record says: OWN and INT give the right
            to run it, ARM and RDY wait for it, REL and GONE have given it away.

            Example:
              livemig status web1
            """)

    @Argument(help: ArgumentHelp("The VM; all when none is named.", valueName: "vm"))
    var vm: String?

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        guard let vm else {
            let all = await control.whereabouts()
            context.show(
                text: MachineText.status(all.vms),
                json: StatusDocument(all.vms, errors: all.silent))
            let errors = all.silent + all.vms.compactMap(\.trouble)
            _ = context.complain(about: errors)
            return .worst(of: errors.map(\.code.exitCode))
        }
        let reference = try VMReference(parsing: vm)
        var hosts = control.directory.hosts
        if let host = reference.host { hosts = [try control.directory.host(host)] }
        let found = await control.whereabouts(of: reference.name, on: hosts)
        let errors = [found.trouble].compactMap { $0 }
        context.show(
            text: MachineText.status([found]), json: StatusDocument([found], errors: errors))
        return context.complain(about: errors)
    }
}
