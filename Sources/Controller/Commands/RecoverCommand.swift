import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig recover`.
struct RecoverCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Put VMs in order after an interrupted move.",
        usage: "livemig recover [<vm> ...] [<options>]",
        discussion: """
            Asks all hosts for their records, and does what they decide: an interrupted move
            is given up and the guest runs on the source, or a hand-over is completed and the
            guest runs on the destination. It can be repeated, from any machine that reaches
            the hosts. Without a VM, all VMs are looked after.

            When a host is off for good, and only then, --fenced NAME lets another take the
            right to run that it may hold. If that host still ran the VM, it would run twice.

            Example:
              livemig recover web1
            """)

    @Argument(
        help: ArgumentHelp(VMNames.help + " All when none is named.", valueName: "vm"))
    var vms: [String] = []

    @Option(
        help: ArgumentHelp(
            "The host that is off for good, its name in full.", valueName: "name"))
    var fenced: String?

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let host = try fenced.map { name throws(LivemigError) in
            try control.directory.host(try HostName(name)).name
        }
        let names = try await VMNames.references(vms).map(\.name)
        guard vms.isEmpty || !names.isEmpty else { return context.nothingToDo() }
        guard host == nil || names.count == 1 else {
            throw LivemigError(
                .usage, "--fenced needs a VM, one alone",
                fix: "livemig recover VM --fenced NAME")
        }
        if let name = names.first, names.count == 1 {
            let outcome = try await Recovery(of: name, control).run(fenced: host)
            return report([outcome], [], context)
        }
        try Interrupts.catchSignals()
        guard names.isEmpty else {
            return await recover(names.map(\.text), [], control, context)
        }
        let found = await Interrupts.cancelling { await control.whereabouts() }
        return await recover(found.vms.map(\.vm), found.silent, control, context)
    }

    private func recover(
        _ names: [String], _ silent: [LivemigError], _ control: HostControl,
        _ context: CommandContext
    ) async -> MigrationModel.ExitCode {
        var outcomes: [Recovery.Outcome] = []
        var errors = silent
        for name in names {
            guard !Interrupts.haveCome else {
                errors.append(Interrupts.notBegun(name))
                continue
            }
            let result = await Interrupts.cancelling {
                await Result.of { () async throws(LivemigError) in
                    try await Recovery(of: try VMName(name), control).run()
                }
            }
            switch result {
            case .success(let outcome): outcomes.append(outcome)
            case .failure(let error):
                errors.append(Interrupts.haveCome ? Interrupts.givenUp(name) : error)
            }
        }
        return report(outcomes, errors, context)
    }

    private func report(
        _ outcomes: [Recovery.Outcome], _ errors: [LivemigError], _ context: CommandContext
    ) -> MigrationModel.ExitCode {
        let errors = errors + outcomes.compactMap(\.after.trouble)
        context.show(
            text: outcomes.flatMap(RecoveryText.lines),
            json: RecoveryDocument(outcomes, errors: errors))
        _ = context.complain(about: errors)
        return .worst(of: errors.map(\.code.exitCode))
    }
}

/// `livemig cancel`.
struct CancelCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Give up a move that is under way.",
        usage: "livemig cancel <vm> [<options>]",
        discussion: """
            Until its commit a move can be given up from any machine that reaches the source:
            the guest runs on there. Whoever waits for the move is told that it was cancelled.

            Example:
              livemig cancel web1
            """)

    @Argument(help: ArgumentHelp("The VM, or the number of the migration.", valueName: "vm"))
    var vm: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let found = try await Cancellation(try context.control()).cancel(vm)
        let errors = [found.trouble].compactMap { $0 }
        context.show(
            text: ["cancelled the move of \(found.vm)", found.guest.description],
            json: StatusDocument([found], errors: errors))
        return context.complain(about: errors)
    }
}

/// What a recovery did, as text.
enum RecoveryText {
    static func lines(_ outcome: Recovery.Outcome) -> [String] {
        var lines = ["\(outcome.before.vm) \(outcome.before.sentence)"]
        let done = outcome.done.filter { $0.step != .settle || outcome.changed }
        lines += done.map { "  \($0.host): \(words($0.step))" }
        if outcome.changed { lines.append("\(outcome.after.vm) \(outcome.after.sentence)") }
        if outcome.after.trouble == nil { lines.append(outcome.after.guest.description) }
        return lines
    }

    static func words(_ step: RecoveryStep) -> String {
        switch step {
        case .settle: "made sure that the guest runs"
        case .discard: "gave the attempt up and removed the copy"
        case .token: "took the right to run; the guest runs"
        case .reclaim: "took the right back; the guest runs"
        case .finish: "removed the copy"
        case .freeze: "stopped the guest"
        case .seize(let fenced): "took the right that \(fenced) may have held; the guest runs"
        }
    }
}

extension Recovery.Outcome {
    /// Whether the VM was found otherwise than it is now.
    var changed: Bool { before.sentence != after.sentence }
}

/// What recoveries did.
struct RecoveryDocument: Encodable {
    let vms: [Entry]
    let errors: [ErrorEvent]

    struct Entry: Encodable {
        let name: String
        let before: String
        let steps: [Step]
        let verdict: String
        let vmIs: Place
    }

    struct Step: Encodable {
        let host: String
        let done: String
    }

    struct Place: Encodable {
        let state: String
        let host: String
        let epoch: UInt64
    }

    init(_ outcomes: [Recovery.Outcome], errors: [LivemigError]) {
        vms = outcomes.map { outcome in
            let guest = outcome.after.guest
            return Entry(
                name: outcome.before.vm, before: outcome.before.sentence,
                steps: outcome.done.map {
                    Step(host: $0.host.text, done: RecoveryText.words($0.step))
                }, verdict: outcome.after.sentence,
                vmIs: Place(
                    state: guest.state.rawValue, host: guest.host, epoch: guest.epoch.number))
        }
        self.errors = errors.map { ErrorEvent($0) }
    }
}
