public import MigrationModel
import Ownership
import WireProtocol

/// Puts VMs in order after a move that was interrupted, by what the hosts' records say.
///
/// Every part can be repeated, by any controller that reaches the hosts. VMs are told apart by their
/// UUIDs: those of one name are never taken for each other.
public struct Recovery: Sendable {
    private let control: HostControl
    private let vm: VMReference
    private let uuid: VMUUID?

    /// What a recovery came to.
    public struct Outcome: Sendable {
        /// Where the VM was found.
        public let before: Whereabouts
        /// What was done, in order.
        public let done: [(host: HostName, step: RecoveryStep)]
        /// Where the VM is now.
        public let after: Whereabouts
    }

    /// What an operator decides where records do not, naming the host that loses.
    public enum Decision: Sendable {
        /// The host is off for good and cannot run the VM: another may take the right that it may
        /// hold.
        case fenced(HostName)
        /// The host says that it owns the VM, and so does another one: it gives the VM up.
        case overruled(HostName)
    }

    /// A recovery of a VM.
    ///
    /// - Parameters:
    ///   - vm: the VM; all of that name where no host is named.
    ///   - uuid: the one that is meant; `nil` for all.
    public init(of vm: VMReference, _ uuid: VMUUID?, _ control: HostControl) {
        self.vm = vm
        self.uuid = uuid
        self.control = control
    }

    /// Asks all hosts, does what remains to be done, and asks again.
    ///
    /// - Parameter decision: the operator's decision, about one VM alone.
    /// - Returns: what became of each VM, and why a step was not possible; steps before it have been
    ///   done.
    public func run(
        _ decision: Decision? = nil
    ) async -> (outcomes: [Outcome], errors: [LivemigError]) {
        await control.keepingConversations { control in
            let found = await control.whereabouts(of: vm)
                .filter { uuid == nil || $0.uuid == uuid }
            if decision != nil, found.count > 1 {
                let hosts = found.compactMap { $0.guest.host.isEmpty ? nil : $0.guest.host }
                return (
                    [],
                    [
                        LivemigError(
                            .ambiguousVM, "there are \(found.count) VMs \(vm.name)",
                            at: hosts.joined(separator: " and "),
                            fix: "name the host: HOST/\(vm.name)"
                        )
                    ]
                )
            }
            var outcomes: [Outcome] = []
            var errors: [LivemigError] = []
            for before in found {
                do throws(LivemigError) {
                    outcomes.append(try await perform(decision, before, control))
                } catch {
                    errors.append(error)
                }
            }
            return (outcomes, errors)
        }
    }

    private func perform(
        _ decision: Decision?, _ before: Whereabouts, _ control: HostControl
    ) async throws(LivemigError) -> Outcome {
        let steps =
            switch decision {
            case nil: before.parties.steps
            case .fenced(let host): try before.steps(fencing: host)
            case .overruled(let host): try before.steps(overruling: host)
            }
        guard !steps.isEmpty, let uuid = before.uuid else {
            return Outcome(before: before, done: [], after: before)
        }
        let name = vm.name
        for (host, step) in steps {
            let record = try control.directory.host(host)
            try await control.talk(to: record) { agent async throws(LivemigError) in
                try await agent.recover(name, uuid, step)
            }
        }
        let after = await control.whereabouts(of: name, uuid, on: control.directory.hosts)
        return Outcome(before: before, done: steps, after: after)
    }
}

extension Recovery.Outcome {
    /// What is wrong all the same, though it is known where the VM is.
    public var troubles: [LivemigError] {
        if let trouble = after.trouble { return [trouble] }
        let damaged = after.entries.compactMap { entry in
            if case .silent(let error) = entry.view, error.code.isOfDamage { error } else { nil }
        }
        guard after.guest.state == .unknown else { return damaged }
        return damaged + [
            LivemigError(
                .vmState,
                "VM \(after.vm) belongs to \(after.guest.host), and nobody says what the "
                    + "guest does",
                fix: "livemig-agent recover on \(after.guest.host), and its agent.log, say why")
        ]
    }
}

extension Whereabouts {
    /// The right may be taken only where the one host that may hold it is the one that is off.
    fileprivate func steps(
        fencing fenced: HostName
    ) throws(LivemigError) -> [(host: HostName, step: RecoveryStep)] {
        let (taker, silent): (Parties.Party?, Parties.Party?) =
            switch parties.verdict {
            case .sourceMustNotRun: (parties.source, parties.destination)
            case .destinationMustNotRun: (parties.destination, parties.source)
            default: (nil, nil)
            }
        guard let host = taker?.host, let silent else {
            throw LivemigError(
                .usage, "nothing is to be forced: VM \(vm) \(sentence)",
                fix: "run livemig recover \(vm)")
        }
        guard silent.host == fenced else {
            throw LivemigError(
                .usage, "\(fenced) is not the host that may hold VM \(vm)",
                at: "that is \(silent.host?.text ?? "not in the inventory")",
                fix: "name the host that is off for good")
        }
        return [(host, .seize(fenced: fenced.text))]
    }

    /// An owner gives the VM up for another owner alone, whose claim is at least as late.
    fileprivate func steps(
        overruling loser: HostName
    ) throws(LivemigError) -> [(host: HostName, step: RecoveryStep)] {
        let owners = entries.compactMap { entry -> (host: HostName, view: HostView)? in
            guard case .record(let record, let state) = entry.view, record.right.mayRun else {
                return nil
            }
            return (entry.host, HostView(right: record.right, guest: state))
        }
        let winner = owners.filter { $0.host != loser }
            .max { $0.view.right.epoch < $1.view.right.epoch }
        guard let losing = owners.first(where: { $0.host == loser }), let winner else {
            throw LivemigError(
                .usage, "\(loser) is not one of two owners: VM \(vm) \(sentence)",
                fix: "run livemig recover \(vm)")
        }
        guard let step = Verdict.overruling(losing.view, for: winner.view) else {
            throw LivemigError(
                .vmState, "\(loser)'s claim is the later one (epoch \(losing.view.right.epoch))",
                at: "\(winner.host) is at epoch \(winner.view.right.epoch)",
                fix: "if \(loser) is wrong all the same: livemig vm stop \(loser)/\(vm), then "
                    + "livemig vm remove \(loser)/\(vm)")
        }
        return [(loser, step), (winner.host, .settle)]
    }
}

/// Gives up the move of a VM that is under way, whoever began it.
public struct Cancellation: Sendable {
    private let control: HostControl

    /// Cancels by means of a way to hosts.
    public init(_ control: HostControl) { self.control = control }

    /// Gives the move up.
    ///
    /// - Parameter name: a VM, a VM of a host (`HOST/VM`), or a migration's number.
    /// - Returns: where the VM is then.
    /// - Throws: `E-NOTRUNNING` when no move is under way, `E-TOOLATE` after the commit.
    public func cancel(_ name: String) async throws(LivemigError) -> Whereabouts {
        let (reference, uuid) = try await find(name)
        let vm = reference.name
        if let host = reference.host { _ = try control.directory.host(host) }
        let hosts = control.directory.hosts
        let all = await control.whereabouts(of: vm, on: hosts)
            .filter { uuid == nil || $0.uuid == uuid }
            .filter { found in
                reference.host == nil || found.entries.contains { $0.host == reference.host }
            }
        let moving = all.filter { $0.mover != nil }
        guard moving.count < 2 else {
            throw LivemigError(
                .ambiguousVM, "\(moving.count) VMs \(vm) are being moved",
                fix: "name the number of the migration; livemig status --output json has it")
        }
        guard let found = moving.first ?? all.first else {
            throw LivemigError(.notRunning, "no move of VM \(vm) is under way")
        }
        guard let mover = found.mover else { throw nothingToCancel(vm, found) }
        do throws(LivemigError) {
            try await control.talk(to: try control.directory.host(mover)) {
                agent async throws(LivemigError) in try await agent.cancel(vm)
            }
        } catch  where error.code == .inTransfer || error.code == .tooLate {
            // Committed since the records were read.
            throw nothingToCancel(vm, await control.whereabouts(of: vm, found.uuid, on: hosts))
        }
        return await control.whereabouts(of: vm, found.uuid, on: hosts)
    }

    private func nothingToCancel(_ vm: VMName, _ found: Whereabouts) -> LivemigError {
        if let trouble = found.trouble, trouble.code != .inTransfer { return trouble }
        guard found.trouble == nil else {
            return LivemigError(
                .tooLate, "the right to run VM \(vm) has been given away already",
                fix: "run livemig recover \(vm)", guest: found.guest)
        }
        return LivemigError(
            .notRunning, "no move of VM \(vm) is under way", guest: found.guest)
    }

    private func find(_ name: String) async throws(LivemigError) -> (VMReference, VMUUID?) {
        guard let bits = Bits128(hexadecimal: name) else {
            return (try VMReference(parsing: name), nil)
        }
        let answers = await control.machines(on: control.directory.hosts)
        let machine = answers.flatMap { $0.value?.machines ?? [] }.first {
            $0.right.attempt?.migration == MigrationID(bits)
        }
        guard let machine else {
            let damaged = answers.flatMap { $0.value?.damaged ?? [] }
            throw answers.compactMap(\.error).first ?? damaged.first?.complaint
                ?? LivemigError(.notRunning, "no migration \(name) is under way")
        }
        return (VMReference(name: try VMName(machine.name)), machine.uuid)
    }
}

extension Whereabouts {
    /// The host that is about to give the VM away.
    fileprivate var mover: HostName? {
        entries.first { entry in
            if case .record(let record, _) = entry.view { record.right.isIntent } else { false }
        }?.host
    }
}

extension AgentConnection {
    /// Asks the host for one step of a recovery.
    fileprivate func recover(
        _ vm: VMName, _ uuid: VMUUID, _ step: RecoveryStep
    ) async throws(LivemigError) {
        _ = try await request(
            RecoverMachine(name: vm, uuid: uuid, step: step), for: DoneMessage.self,
            within: AgentConnection.startLimit)
    }

    /// Gives the move of a VM up.
    fileprivate func cancel(_ vm: VMName) async throws(LivemigError) {
        _ = try await request(CancelMachine(name: vm), for: DoneMessage.self)
    }
}
