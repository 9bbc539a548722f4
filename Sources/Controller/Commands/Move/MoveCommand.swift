import ArgumentParser
import History
import LinuxSystem
import MigrationModel
import Orchestrator
import Planner

/// `livemig move`.
struct MoveCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Move running VMs to another host.",
        usage: "livemig move <vm> ... --to <host>|any [<options>]",
        discussion: """
            Several VMs are moved one after the other. Ctrl-C cancels a move before its
            commit, and the guest runs on where it was; no further VM is moved.

            Example:
              livemig move web1 --to beta
              livemig move alpha/db1 --to beta --max-downtime 100ms --bandwidth 1Gbit
              livemig move web1 --to any
              livemig vm list alpha | tail -n +2 | livemig move - --to beta
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @Option(
        help: ArgumentHelp(
            "The destination; any chooses the host that suits each VM best.", valueName: "host"))
    var to: String

    /// The word for whichever host suits best, unless a host is called so.
    private static let anywhere = "any"

    @Option(
        help: ArgumentHelp("The source. (default: found by asking all hosts)", valueName: "host"))
    var from: String?

    @Flag(name: .customLong("dry-run"), help: "Check everything and change nothing.")
    var isDryRun = false

    @Flag(help: "Measure for a few seconds first, and say what the move will be like.")
    var predict = false

    @OptionGroup var policy: MovePolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let requests = try await requests()
        let control = try context.control()
        guard !requests.isEmpty else { return context.nothingToDo() }
        try Interrupts.catchSignals()
        let history = isDryRun ? nil : HistoryWriter(to: Self.place(in: context))
        var outcomes: [MoveOutcome] = []
        for request in requests {
            // A move that was committed when the signal came counts as an interruption as well.
            let isBegun = !Interrupts.haveCome
            let outcome =
                isBegun
                ? await outcome(of: request, control, history, context)
                : Self.failure(request, Interrupts.notBegun(request.vm.description))
            if isBegun || context.isJSON { show(outcome, context) }
            outcomes.append(outcome)
        }
        if requests.count > 1, !context.isJSON {
            context.console.message(MoveText.summary(outcomes))
        }
        await finish(history, context)
        return .worst(of: outcomes.map(\.exitCode))
    }

    private func outcome(
        of request: MoveRequest, _ control: HostControl, _ history: HistoryWriter?,
        _ context: CommandContext
    ) async -> MoveOutcome {
        var request = request
        request.forecast = await forecast(of: request.vm.name, context)
        let wanted = request
        let destined = await Interrupts.cancelling {
            await self.destined(wanted, control, context)
        }
        switch destined {
        case .success where Interrupts.haveCome:
            return Self.failure(request, Interrupts.notBegun(request.vm.description))
        case .success(let request): return await move(request, control, history, context)
        case .failure(let error):
            return Self.failure(
                request,
                Interrupts.haveCome ? Interrupts.notBegun(request.vm.description) : error)
        }
    }

    private static func failure(_ request: MoveRequest, _ error: LivemigError) -> MoveOutcome {
        MoveOutcome(
            vm: request.vm, source: request.source, destination: request.destination,
            total: .zero, ending: .failed(error))
    }

    /// The request with a destination, chosen where none is named.
    private func destined(
        _ request: MoveRequest, _ control: HostControl, _ context: CommandContext
    ) async -> Result<MoveRequest, LivemigError> {
        let isNamed = control.directory.hosts.contains { $0.name == request.destination }
        guard request.destination.text == Self.anywhere, !isNamed else { return .success(request) }
        return await Result.of { () async throws(LivemigError) in
            let template = MoveTemplate(
                policy: request.policy, takesCompressionOfHost: request.takesCompressionOfHost,
                networks: request.networks)
            let best = try await context.noting { note async throws(LivemigError) in
                try await control.bestDestination(
                    of: request.vm, from: request.source, template: template, note: note)
            }
            context.console.message("\(request.vm): to \(best.host), \(best.rating)")
            var request = request
            request.destination = best.host
            return request
        }
    }

    private func forecast(of vm: VMName, _ context: CommandContext) async -> ForecastRequest? {
        guard predict else { return nil }
        return ForecastRequest(knownHandOver: await context.knownHandOver(of: vm))
    }

    /// What is asked for, wholly checked before anything starts.
    private func requests() async throws(LivemigError) -> [MoveRequest] {
        let takesCompressionOfHost = policy.compression == nil
        let networks = try policy.networks()
        let policy = try policy.policy()
        let destination = try HostName(to)
        let source = try from.map { name throws(LivemigError) in try HostName(name) }
        return try await VMNames.references(vms).map { vm in
            MoveRequest(
                vm: vm, to: destination, from: source, policy: policy,
                takesCompressionOfHost: takesCompressionOfHost, networks: networks,
                isDryRun: isDryRun)
        }
    }

    private static func place(in context: CommandContext) -> Result<String, LivemigError> {
        Result { () throws(LivemigError) in try context.historyPath() }
    }

    /// Waits for what is still to be written, and says what could not be.
    private func finish(_ history: HistoryWriter?, _ context: CommandContext) async {
        guard let history else { return }
        let missing = await BlockingWork.value("history-end") { history.finish() }
        if let missing { context.console.message(HistoryText.warning(missing)) }
    }

    private func move(
        _ request: MoveRequest, _ control: HostControl, _ history: HistoryWriter?,
        _ context: CommandContext
    ) async -> MoveOutcome {
        let migration = Migration(request, control)
        let started = MonotonicTime.now
        var recording = MoveRecording(of: request, as: .move)
        history?.write(recording.record)
        let viewer = Task { [recording] in
            var recording = recording
            var text = MoveText()
            for await event in migration.events {
                if recording.note(event, at: started.elapsed) { history?.write(recording.record) }
                if context.isJSON {
                    if let line = MoveJSON.line(event, vm: request.vm) {
                        context.console.result(line)
                    }
                    guard event.isForPeople else { continue }
                }
                for line in text.lines(event, at: started.elapsed) {
                    switch line {
                    case .permanent(let line): context.console.message(line)
                    case .live(let line): context.console.live(line)
                    }
                }
            }
            return recording
        }
        let outcome = await Interrupts.reacting(by: { migration.interrupt() }) {
            await migration.run()
        }
        recording = await viewer.value
        context.console.live(nil)
        recording.end(outcome)
        history?.write(recording.record)
        return outcome
    }

    private func show(_ outcome: MoveOutcome, _ context: CommandContext) {
        if let error = outcome.error {
            context.console.message(
                ErrorText.line(error, style: context.console.errorStyle), isStyled: true)
            if context.isJSON {
                context.console.result(
                    JSONText.line(ErrorEvent(error, vm: outcome.vm.name.text)))
            }
        }
        context.show(text: MoveText.result(outcome), json: ResultEvent(outcome))
    }
}

extension MigrationEvent {
    /// Whether somebody is to read it beside the JSON lines.
    fileprivate var isForPeople: Bool {
        switch self {
        case .note, .warning, .planned: true
        case .measuring, .predicted, .prepared, .phase, .round, .progress: false
        }
    }
}
