public import Handoff
public import MigrationModel
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
        public let before: VMLocation
        /// What was done, in order.
        public let done: [(host: HostName, step: RecoveryStep)]
        /// Where the VM is now.
        public let after: VMLocation
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
        _ decision: RecoveryDecision? = nil
    ) async -> (outcomes: [Outcome], errors: [LivemigError]) {
        await control.keepingConversations { control in
            let found = await control.locations(of: vm)
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
        _ decision: RecoveryDecision?, _ before: VMLocation, _ control: HostControl
    ) async throws(LivemigError) -> Outcome {
        var run = try RecoveryRun(of: before, decision)
        guard let uuid = before.uuid else {
            return Outcome(before: before, done: [], after: before)
        }
        let name = vm.name
        var effect = run.begin()
        while case .perform(let step, let host) = effect {
            let record = try control.directory.host(host)
            do throws(LivemigError) {
                try await control.talk(to: record) { agent async throws(LivemigError) in
                    try await agent.recover(name, uuid, step)
                }
                effect = run.handle(.done)
            } catch {
                effect = run.handle(.failed(error))
            }
        }
        if case .end(let error?) = effect { throw error }
        guard !run.done.isEmpty else { return Outcome(before: before, done: [], after: before) }
        let after = await control.location(of: name, uuid, on: control.directory.hosts)
        return Outcome(before: before, done: run.done, after: after)
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
    public func cancel(_ name: String) async throws(LivemigError) -> VMLocation {
        let (reference, uuid) = try await find(name)
        let vm = reference.name
        if let host = reference.host { _ = try control.directory.host(host) }
        let hosts = control.directory.hosts
        let all = await control.locations(of: vm, on: hosts)
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
            throw nothingToCancel(vm, await control.location(of: vm, found.uuid, on: hosts))
        }
        return await control.location(of: vm, found.uuid, on: hosts)
    }

    private func nothingToCancel(_ vm: VMName, _ found: VMLocation) -> LivemigError {
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

extension VMLocation {
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
