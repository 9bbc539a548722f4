import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig plan move`.
struct PlanMoveCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Show what a move would do, how long, and what blackout.",
        usage: "livemig plan move <vm> --to <host> [<options>]",
        discussion: """
            Makes every check that move makes, then measures for a few seconds what the
            guest writes and what the lanes carry, and predicts the move from that. The
            guest runs meanwhile, and nothing is changed.

            Example:
              livemig plan move web1 --to beta
              livemig plan move web1 --to beta --bandwidth 1Gbit --max-downtime 50ms
            """)

    @Argument(help: ArgumentHelp("The VM.", valueName: "vm"))
    var vm: String

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
        let vm = try VMReference(parsing: vm)
        let known = await context.knownHandOver(of: vm.name)
        let request = MoveRequest(
            vm: vm, to: try HostName(to),
            from: try from.map { name throws(LivemigError) in try HostName(name) },
            policy: try policy.policy(), takesCompressionOfHost: policy.compression == nil,
            networks: try policy.networks(), isDryRun: true,
            forecast: ForecastRequest(knownHandOver: known))
        let migration = Migration(request, try context.control())
        let outcome = try await context.noting { note async throws(LivemigError) in
            await follow(migration, context, note)
        }
        guard case .planned(let plan) = outcome.ending else {
            throw outcome.error ?? LivemigError(.internal, "a plan has made a move")
        }
        context.show(
            text: MoveText.result(outcome), json: PlanEvent(plan, outcome.forecast))
        return .success
    }

    private func follow(
        _ migration: Migration, _ context: CommandContext, _ note: @Sendable (String) -> Void
    ) async -> MoveOutcome {
        async let ending = migration.run()
        for await event in migration.events {
            switch event {
            case .measuring: note("measuring what the guest writes and the lanes carry")
            case .planned(let plan):
                for warning in plan.warnings {
                    context.console.message(ReportText.warning(warning))
                }
            case .note(let text): context.console.message("livemig: \(text)")
            case .warning, .predicted, .prepared, .phase, .round, .progress: break
            }
        }
        return await ending
    }
}

extension CommandContext {
    /// What the hand-overs of a guest have cost before, as far as this machine's history knows.
    func knownHandOver(of vm: VMName) async -> ClosedRange<Duration>? {
        guard let path = try? historyPath() else { return nil }
        return await KnownHandOvers.range(of: vm, in: path)
    }
}
