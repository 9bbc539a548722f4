import ArgumentParser
import MigrationModel
import Orchestrator
import Preflight

/// `livemig check`.
struct CheckCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Find what would keep VMs from being moved.",
        usage: """
            livemig check <vm> ... --to <host> [<options>]
            livemig check --cpu-baseline [<host> ...] [<options>]
            """,
        discussion: """
            Compares both hosts and asks each what it finds; nothing is changed. Errors
            (E-…) keep the VM from being moved and end with exit code 3; warnings (W-…)
            do not. A destination that cannot be asked is an error like the others, beside
            what the source finds alone; the exit code is that error's.

            With --cpu-baseline the processors of hosts are compared: what a guest may use
            that is to run on all of them. Exit code 3 says that some guests cannot.

            Example:
              livemig check web1 --to beta
              livemig check --cpu-baseline alpha beta
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String] = []

    @Option(help: ArgumentHelp("The destination.", valueName: "host"))
    var to: String?

    @Option(
        help: ArgumentHelp("The source. (default: found by asking all hosts)", valueName: "host"))
    var from: String?

    @Flag(
        name: .customLong("cpu-baseline"),
        help: "Compare the processors of the hosts named, or of all.")
    var comparesProcessors = false

    @OptionGroup var policy: MovePolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        if comparesProcessors { return try await compareProcessors(context) }
        guard let to, !vms.isEmpty else {
            throw LivemigError(
                .usage, "a check needs a VM and --to HOST", fix: "see livemig check --help")
        }
        let (policy, networks) = (try policy.policy(), try policy.networks())
        let destination = try HostName(to)
        let source = try from.map { name throws(LivemigError) in try HostName(name) }
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let request = MoveRequest(
                vm: vm, to: destination, from: source, policy: policy, networks: networks)
            let report = try await control.check(request)
            context.show(text: ReportText.lines(report), json: CheckDocument(report))
            return report.exitCode
        }
    }

    private func compareProcessors(
        _ context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        guard to == nil, from == nil else {
            throw LivemigError(
                .usage, "--cpu-baseline compares hosts, and moves nothing",
                fix: "leave --to and --from out")
        }
        let control = try context.control()
        let answers = await control.facts(of: try control.directory.hosts(vms))
        let errors = answers.compactMap(\.error)
        let baseline = CPUBaseline(
            answers.compactMap { answer in answer.value.map { (answer.host.name, $0) } })
        context.show(
            text: BaselineText.lines(baseline), json: BaselineDocument(baseline, errors))
        let failed = context.complain(about: errors)
        return failed == .success && !baseline.isUniform ? .refused : failed
    }
}
