import ArgumentParser
import History
import MigrationModel
import Orchestrator
import Planner

/// `livemig drain`.
struct DrainCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Move all guests away from a host.",
        usage: "livemig drain <host> [<options>]",
        discussion: """
            Shows what becomes of each guest and asks. The host then takes no guests until
            livemig resume opens it; its guests move to the hosts that suit them best, as
            many at a time as the settings of the hosts allow. A move that fails leaves the
            others alone. Guests that cannot move stay, unless --fallback or their own
            policy (livemig vm policy) says what becomes of them. Exit code 0 says that the host is empty and safe to power off.

            Ctrl-C begins no further move and finishes those under way; a second one gives
            them up. Run it again to go on.

            Example:
              livemig drain alpha
              livemig drain alpha --yes --to beta --leave build --priority db1=high
              livemig drain alpha --save lab --fallback save
            """)

    @Argument(help: ArgumentHelp("The host to empty.", valueName: "host"))
    var host: String

    @OptionGroup var choices: DrainOptions

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(name: .customLong("dry-run"), help: "Show the plan and change nothing.")
    var isDryRun = false

    @OptionGroup(title: "Moves") var policy: MovePolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let request = try choices.request(of: host, policy)
        let control = try context.control()
        let proposal = try await context.noting { note async throws(LivemigError) in
            try await control.propose(request, note: note)
        }
        if isDryRun {
            context.show(text: DrainText.plan(proposal), json: DrainPlanDocument(proposal))
            return DrainText.exitCode(of: proposal)
        }
        if context.isJSON {
            context.console.result(JSONText.line(DrainPlanDocument(proposal)))
        } else {
            for line in DrainText.plan(proposal) { context.console.message(line) }
        }
        try await Confirmation.ask("Drain \(request.host) now?", isGiven: yes, context)
        return try await run(proposal, control, context)
    }

    private func run(
        _ proposal: DrainProposal, _ control: HostControl, _ context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let drain = Drain(proposal, control)
        let view = BatchView(proposal.moves, as: .drain, of: proposal.request.host, context)
        let result = try await view.follow(drain.batch) {
            await Result.of { () async throws(LivemigError) in try await drain.run() }
        }
        let outcome = try result.get()
        for warning in outcome.warnings {
            context.console.message(ReportText.warning(warning))
            if context.isJSON {
                let event = WarningEvent(
                    host: proposal.request.host.text, warning: FindingDocument(warning))
                context.console.result(JSONText.line(event))
            }
        }
        if context.isJSON {
            context.console.result(
                JSONText.line(DrainResultEvent(proposal.request.host, outcome)))
        } else {
            for line in DrainText.results(outcome) { context.console.result(line) }
        }
        if case .failure(let error) = outcome.proof { _ = context.complain(about: [error]) }
        return outcome.exitCode
    }
}

/// `livemig plan`.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what would happen, and change nothing.",
        discussion: """
            Example:
              livemig plan move web1 --to beta
              livemig plan drain alpha
            """,
        subcommands: [PlanMoveCommand.self, PlanDrainCommand.self])
}

/// `livemig plan drain`.
struct PlanDrainCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Show what a drain would do with each guest.",
        usage: "livemig plan drain <host> [<options>]",
        discussion: """
            Exit code 0 says that the host would be empty. It is what livemig drain shows
            before it asks.

            Example:
              livemig plan drain alpha --leave build
            """)

    @Argument(help: ArgumentHelp("The host to empty.", valueName: "host"))
    var host: String

    @OptionGroup var choices: DrainOptions

    @Flag(name: .customLong("no-predict"), help: "Do not measure guests, which takes seconds each.")
    var isQuick = false

    @OptionGroup(title: "Moves") var policy: MovePolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let request = try choices.request(of: host, policy)
        let (proposal, forecast) = try await context.noting { note async throws(LivemigError) in
            let proposal = try await control.propose(request, note: note)
            guard !isQuick else { return (proposal, DrainForecast?.none) }
            let forecast = await control.forecast(
                proposal, known: { await context.knownHandOver(of: $0) }, note: note)
            return (proposal, forecast)
        }
        context.show(
            text: DrainText.plan(proposal, forecast), json: DrainPlanDocument(proposal, forecast))
        return DrainText.exitCode(of: proposal)
    }
}

/// What becomes of the guests of a host that is drained.
struct DrainOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where guests may go; may be repeated. (default: every host)", valueName: "host"))
    var to: [String] = []

    @Option(
        help: ArgumentHelp(
            "A VM that moves live, whatever its policy says; may be repeated.", valueName: "vm"))
    var live: [String] = []

    @Option(
        help: ArgumentHelp(
            "A VM that stays, running: the host is not empty then. May be repeated.",
            valueName: "vm"))
    var leave: [String] = []

    @Option(
        help: ArgumentHelp(
            "A VM that is powered off, as vm stop does; may be repeated.", valueName: "vm"))
    var stop: [String] = []

    @Option(
        help: ArgumentHelp(
            "A VM that is saved on the host, as vm save does; may be repeated.", valueName: "vm"))
    var save: [String] = []

    @Option(
        help: ArgumentHelp(
            "What becomes of VMs that cannot move live, or of one: save, stop or leave. May be "
                + "repeated. (default: as their policies say)",
            valueName: "[vm=]way"))
    var fallback: [String] = []

    @Option(
        help: ArgumentHelp(
            "What moves first: low, medium, high or 0 to 9999; may be repeated. (default: as "
                + "their policies say)",
            valueName: "vm=priority"))
    var priority: [String] = []

    /// The drain that is asked for.
    /// - Throws: `E-USAGE`, `E-HOSTNAME`, `E-VMNAME`, `E-RANGE`, and as the options of moves.
    func request(
        of host: String, _ policy: MovePolicyOptions
    ) throws(LivemigError) -> DrainRequest {
        var priorities: [VMName: Priority] = [:]
        for text in priority {
            let (name, value) = try Self.split(text)
            guard let name else {
                throw LivemigError(
                    .usage, "\(text.escaped()) is not VM=PRIORITY", at: "--priority",
                    fix: "write such as web1=high")
            }
            priorities[name] = try Priority(parsing: value)
        }
        var ways: [VMName?: DrainPolicy.Action] = [:]
        for text in fallback {
            let (name, value) = try Self.split(text)
            guard let way = Self.ways[value], ways[name] == nil else {
                throw LivemigError(
                    .usage, "\(text.escaped()) is not save, stop or leave, or is said twice",
                    at: "--fallback", fix: "write such as save, or web1=stop")
            }
            ways[name] = way
        }
        return DrainRequest(
            of: try HostName(host),
            to: try to.map { name throws(LivemigError) in try HostName(name) },
            actions: try actions(), fallback: ways[nil],
            fallbacks: Dictionary(
                uniqueKeysWithValues: ways.compactMap { name, way in name.map { ($0, way) } }),
            priorities: priorities,
            template: MoveTemplate(
                policy: try policy.policy(), takesCompressionOfHost: policy.compression == nil,
                networks: try policy.networks()))
    }

    /// What can become of guests that cannot move live.
    private static let ways: [String: DrainPolicy.Action] = [
        "save": .save, "stop": .stop, "leave": .leave,
    ]

    /// The parts of `VM=VALUE`; without a name the whole is the value.
    private static func split(
        _ text: String
    ) throws(LivemigError) -> (name: VMName?, value: String) {
        guard let sign = text.lastIndex(of: "=") else { return (nil, text) }
        return (try VMName(String(text[..<sign])), String(text[text.index(after: sign)...]))
    }

    /// What becomes of the guests that are named.
    /// - Throws: `E-USAGE` for one of which two things are said.
    private func actions() throws(LivemigError) -> [VMName: DrainPolicy.Action] {
        var actions: [VMName: DrainPolicy.Action] = [:]
        let said: [(DrainPolicy.Action, [String])] = [
            (.live, live), (.leave, leave), (.stop, stop), (.save, save),
        ]
        for (action, names) in said {
            for text in names {
                let name = try VMName(text)
                if let other = actions.updateValue(action, forKey: name), other != action {
                    throw LivemigError(
                        .usage,
                        "VM \(name) is named with both --\(other.rawValue) and "
                            + "--\(action.rawValue)")
                }
            }
        }
        return actions
    }
}
