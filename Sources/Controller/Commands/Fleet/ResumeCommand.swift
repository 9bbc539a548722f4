import ArgumentParser
import History
import MigrationModel
import Orchestrator
import Planner

/// `livemig resume`.
struct ResumeCommand: LivemigAction {
    /// What becomes of guests that left when the host was drained.
    enum Failback: String, ExpressibleByArgument, CaseIterable {
        case none, now
    }

    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Open a host to guests again after a drain.",
        usage: "livemig resume <host> [--failback none|now] [<options>]",
        discussion: """
            Without --failback now the guests stay where and as they are, and the host
            forgets them. With it those that left when the host was drained come back, in an
            order for which there is room at every step, and those that were saved or stopped
            are started; those that cannot stay remembered.

            Example:
              livemig resume alpha
              livemig resume alpha --failback now --yes
            """)

    @Argument(help: ArgumentHelp("The host.", valueName: "host"))
    var host: String

    @Option(help: ArgumentHelp("What becomes of guests that left.", valueName: "when"))
    var failback: Failback = .none

    @Flag(name: .shortAndLong, help: "Do not ask before guests move.")
    var yes = false

    @Flag(name: .customLong("dry-run"), help: "Show the moves and change nothing.")
    var isDryRun = false

    @OptionGroup var unasked: UnaskedOption

    @OptionGroup(title: "Moves") var policy: MovePolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let name = try HostName(host)
        let control = try context.control()
        let template = MoveTemplate(
            policy: try policy.policy(), takesCompressionOfHost: policy.compression == nil,
            networks: try policy.networks())
        if failback == .none, !isDryRun {
            let saved = try await control.open(name)
            context.show(
                text: ResumeText.opened(name, saved: saved),
                json: ResumeResultEvent(name, nil, saved: saved))
            return .success
        }
        let proposal = try await context.noting { note async throws(LivemigError) in
            try await control.proposeResumption(of: name, template: template, note: note)
        }
        if context.isJSON {
            context.console.result(JSONText.line(ResumePlanDocument(proposal)))
        } else {
            for line in ResumeText.plan(proposal) {
                if isDryRun { context.console.result(line) } else { context.console.message(line) }
            }
        }
        if isDryRun { return proposal.plan.blocked.isEmpty ? .success : .refused }
        if !proposal.plan.steps.isEmpty || !proposal.starts.isEmpty {
            try await Confirmation.ask(
                "Open \(name) and bring them back now?", isGiven: yes, context)
        }
        return try await run(proposal, template, control, context)
    }

    private func run(
        _ proposal: Resumption.Proposal, _ template: MoveTemplate, _ control: HostControl,
        _ context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let resumption = Resumption(
            proposal, template: template, control, unasked: try unasked.names())
        let view = BatchView(proposal.moves, as: .resume, of: proposal.host, context)
        let result = try await view.follow(resumption.batch) {
            await Result.of { () async throws(LivemigError) in try await resumption.run() }
        }
        let outcome = try result.get()
        context.show(
            text: ResumeText.results(proposal, outcome),
            json: ResumeResultEvent(proposal.host, outcome))
        return outcome.exitCode
    }
}

/// Resumptions as text.
enum ResumeText {
    /// The moves that bring guests back, and what stands in the way of others.
    static func plan(_ proposal: Resumption.Proposal) -> [String] {
        let rows = proposal.plan.steps.enumerated().map { index, step in
            let why = step.isDetour ? "for a while, to make room" : ""
            return [
                "  \(index + 1).", step.guest.name.text, "\(step.from) → \(step.to)", why,
            ]
        }
        let first = proposal.plan.steps.count + 1
        let starts = proposal.starts.enumerated().map { index, guest in
            [
                "  \(first + index).", guest.name.text,
                guest.fate == .saved ? "is restored" : "is started", "",
            ]
        }
        let others =
            proposal.plan.blocked.map(\.description)
            + proposal.missing.map { "\($0.name) \(proposal.words(ofMissing: $0))" }
        let count = proposal.remembered.count
        let head =
            count == 0
            ? "\(proposal.host): no guest is remembered"
            : "\(proposal.host): \(count) guest\(count == 1 ? "" : "s") ran there when it was drained"
        return [head] + TextTable.lines(rows + starts) + others.map { "  " + $0.onOneLine() }
    }

    /// A table of the moves, and what came of them.
    static func results(
        _ proposal: Resumption.Proposal, _ outcome: Resumption.Outcome
    ) -> [String] {
        let rows = zip(proposal.plan.steps, outcome.results).map { step, result -> [String] in
            let words = DrainText.words(result, to: step.to)
            return [step.guest.name.text, words.state, words.more]
        }
        let failed = zip(proposal.plan.steps, outcome.results).compactMap { step, result in
            result.error.map { "\(step.guest.name) (\($0.code.rawValue))" }
        }
        let unstarted = proposal.starts.compactMap { guest in
            outcome.unstarted[guest.name].map { "\(guest.name) (\($0.code.rawValue))" }
        }
        let away =
            failed + outcome.blocked.map { "\($0.guest.name) (blocked)" }
            + outcome.missing.map { "\($0.name) (not found)" }
        let good = proposal.plan.steps.count - failed.count
        let moves =
            proposal.plan.steps.isEmpty
            ? "" : "; \(good) of \(proposal.plan.steps.count) moves made"
        let count = proposal.starts.count
        let starts =
            count == 0 ? "" : "; \(count - unstarted.count) of \(count) guests started"
        let rest =
            (away.isEmpty ? "" : "; still away: " + away.joined(separator: ", "))
            + (unstarted.isEmpty ? "" : "; not started: " + unstarted.joined(separator: ", "))
        return TextTable.lines(rows.isEmpty ? [] : [["VM", "OUTCOME", ""]] + rows)
            + ["\(proposal.host) takes guests\(moves)\(starts)\(rest)."]
    }

    /// What came of opening a host alone.
    static func opened(_ host: HostName, saved: [String]) -> [String] {
        let rest = saved.map { "\($0) is still saved; livemig vm start \($0) restores it" }
        return ["\(host) takes guests."] + rest
    }
}

/// The moves that would bring guests back, in JSON.
struct ResumePlanDocument: Encodable {
    let event = "plan"
    let time = JSONText.time
    let host: String
    let steps: [Step]
    let starts: [String]
    let blocked: [Blocked]

    struct Step: Encodable {
        let vm: String
        let source: String
        let destination: String
        let isDetour: Bool
        let after: [Int]
    }

    struct Blocked: Encodable {
        let vm: String
        let reason: String
    }

    init(_ proposal: Resumption.Proposal) {
        host = proposal.host.text
        steps = proposal.plan.steps.map { step in
            Step(
                vm: step.guest.name.text, source: step.from.text, destination: step.to.text,
                isDetour: step.isDetour, after: step.after.map { $0 + 1 })
        }
        starts = proposal.starts.map(\.name.text)
        blocked =
            proposal.plan.blocked.map {
                Blocked(vm: $0.guest.name.text, reason: $0.reason.description)
            }
            + proposal.missing.map {
                Blocked(vm: $0.name.text, reason: proposal.words(ofMissing: $0))
            }
    }
}

/// `result`: the last line of a resumption.
struct ResumeResultEvent: Encodable {
    let event = "result"
    let time = JSONText.time
    let host: String
    let outcome = "resumed"
    let exitCode: Int32
    let moved: Int
    let away: [String]
    let notRunning: [String]

    /// - Parameters:
    ///   - host: the host.
    ///   - outcome: what came of bringing guests back; `nil` where none was.
    ///   - saved: the VMs that stay saved.
    init(_ host: HostName, _ outcome: Resumption.Outcome?, saved: [String] = []) {
        self.host = host.text
        exitCode = (outcome?.exitCode ?? .success).rawValue
        moved = outcome?.results.count { $0.error == nil } ?? 0
        notRunning = saved + (outcome?.unstarted.keys.map(\.text).sorted() ?? [])
        away =
            (outcome?.blocked.map(\.guest.name.text) ?? [])
            + (outcome?.missing.map(\.name.text) ?? [])
    }
}
