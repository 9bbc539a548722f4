import ArgumentParser
import Handoff
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

            Where two hosts say that they own a VM, the later record counts and nothing is
            stopped. --overruled NAME has that host give its guest up for the other one.

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

    @Option(
        help: ArgumentHelp(
            "The owner that loses its guest to another owner, its name in full.",
            valueName: "name"))
    var overruled: String?

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        guard !control.directory.hosts.isEmpty else {
            throw LivemigError(
                .noHost, "the inventory has no hosts: nobody can be asked",
                fix: "add them with livemig host add")
        }
        let references = try await VMNames.references(vms)
        let decision = try decision(control.directory)
        guard decision == nil || references.count == 1 else {
            let option = fenced == nil ? "--overruled" : "--fenced"
            throw LivemigError(
                .usage, "\(option) needs a VM, one alone", fix: "livemig recover VM \(option) NAME")
        }
        guard vms.isEmpty || !references.isEmpty else { return context.nothingToDo() }
        try Interrupts.catchSignals()
        var outcomes: [Recovery.Outcome] = []
        var errors: [LivemigError] = []
        var rest = references.map { (vm: $0, uuid: nil as VMUUID?) }
        if vms.isEmpty {
            let found = await Interrupts.cancelling { await control.locations() }
            errors = found.silent
            rest = found.vms.compactMap { place in
                (try? VMName(place.vm)).map { (VMReference(name: $0), place.uuid) }
            }
        }
        for (vm, uuid) in rest {
            guard !Interrupts.haveCome else {
                errors.append(Interrupts.notBegun(vm.name.text))
                continue
            }
            let result = await Interrupts.cancelling {
                await Recovery(of: vm, uuid, control).run(decision)
            }
            outcomes += result.outcomes
            let isCut = Interrupts.haveCome && !result.errors.isEmpty
            errors += isCut ? [Interrupts.givenUp(vm.name.text)] : result.errors
        }
        return report(outcomes, errors, context)
    }

    private func decision(
        _ directory: HostDirectory
    ) throws(LivemigError) -> RecoveryDecision? {
        switch (fenced, overruled) {
        case (nil, nil): return nil
        case (let name?, nil): return .fenced(try directory.host(try HostName(name)).name)
        case (nil, let name?): return .overruled(try directory.host(try HostName(name)).name)
        case (_?, _?):
            throw LivemigError(
                .usage, "--fenced and --overruled are two decisions", fix: "pass one of them")
        }
    }

    private func report(
        _ outcomes: [Recovery.Outcome], _ errors: [LivemigError], _ context: CommandContext
    ) -> MigrationModel.ExitCode {
        var all = errors
        for trouble in outcomes.flatMap(\.troubles) where !all.contains(trouble) {
            all.append(trouble)
        }
        context.show(
            text: outcomes.flatMap(RecoveryText.lines),
            json: RecoveryDocument(outcomes, errors: all))
        _ = context.complain(about: all)
        return .worst(of: all.map(\.code.exitCode))
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

    @Argument(
        help: ArgumentHelp(
            "The VM, NAME or HOST/NAME, or the number of the migration.", valueName: "vm"))
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
        lines += done.map { "  \($0.host): \(words($0.step, runs: outcome.runs))" }
        if outcome.changed { lines.append("\(outcome.after.vm) \(outcome.after.sentence)") }
        if outcome.after.trouble == nil { lines.append(outcome.after.guest.description) }
        return lines
    }

    /// - Parameter runs: whether the guest runs after all that was done.
    static func words(_ step: RecoveryStep, runs: Bool = true) -> String {
        switch step {
        case .settle: runs ? "made sure that the guest runs" : "closed the interrupted move"
        case .discard: "gave the attempt up and removed the copy"
        case .token: "took the right to run; the guest runs"
        case .reclaim: "took the right back; the guest runs"
        case .finish: "removed the copy"
        case .overrule: "gave the VM up for the other owner"
        case .freeze: "stopped the guest"
        case .seize(let fenced): "took the right that \(fenced) may have held; the guest runs"
        }
    }
}

extension Recovery.Outcome {
    /// Whether the VM was found otherwise than it is now.
    var changed: Bool { before.sentence != after.sentence }

    /// Whether the guest runs now.
    var runs: Bool { after.guest.state == .running }
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
                    Step(host: $0.host.text, done: RecoveryText.words($0.step, runs: outcome.runs))
                }, verdict: outcome.after.sentence,
                vmIs: Place(
                    state: guest.state.rawValue, host: guest.host, epoch: guest.epoch.number))
        }
        self.errors = errors.map { ErrorEvent($0) }
    }
}
