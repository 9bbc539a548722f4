import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig check`.
struct CheckCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Find what would keep VMs from being moved.",
        usage: "livemig check <vm> ... --to <host> [<options>]",
        discussion: """
            Compares both hosts and asks each what it finds; nothing is changed. Errors
            (E-…) keep the VM from being moved and end with exit code 3; warnings (W-…)
            do not.

            Example:
              livemig check web1 --to beta
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @Option(help: ArgumentHelp("The destination.", valueName: "host"))
    var to: String

    @Option(
        help: ArgumentHelp("The source. (default: found by asking all hosts)", valueName: "host"))
    var from: String?

    @OptionGroup var policy: MovePolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let (policy, networks) = (try policy.policy(), try policy.networks())
        let destination = try HostName(to)
        let source = try from.map { name throws(LivemigError) in try HostName(name) }
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let request = MoveRequest(
                vm: vm, to: destination, from: source, policy: policy, networks: networks)
            let report = try await control.check(request)
            context.show(text: ReportText.lines(report), json: CheckDocument(report))
            return report.isCompatible ? .success : .refused
        }
    }
}
