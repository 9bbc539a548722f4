public import MigrationModel
import Ownership
import WireProtocol

/// Puts a VM in order after a move that was interrupted, by what the hosts' records say.
///
/// Every part can be repeated, by any controller that reaches the hosts.
public struct Recovery: Sendable {
    private let control: HostControl
    private let vm: VMName

    /// What a recovery came to.
    public struct Outcome: Sendable {
        /// Where the VM was found.
        public let before: Whereabouts
        /// What was done, in order.
        public let done: [(host: HostName, step: RecoveryStep)]
        /// Where the VM is now.
        public let after: Whereabouts
    }

    /// A recovery of a VM.
    public init(of vm: VMName, _ control: HostControl) {
        self.vm = vm
        self.control = control
    }

    /// Asks all hosts, does what remains to be done, and asks again.
    ///
    /// - Parameter fenced: a host that the operator vouches for to be off for good: it cannot run
    ///   the VM, so another may take the right that it may hold.
    /// - Throws: why a step was not possible; steps before it have been done.
    public func run(fenced: HostName? = nil) async throws(LivemigError) -> Outcome {
        try await control.keepingConversations { control async throws(LivemigError) in
            try await Recovery(of: vm, control).perform(fenced)
        }
    }

    private func perform(_ fenced: HostName?) async throws(LivemigError) -> Outcome {
        let before = await look()
        let steps =
            try fenced.map { host throws(LivemigError) in
                try forcedSteps(before, host)
            } ?? before.parties.steps
        for (host, step) in steps {
            let record = try control.directory.host(host)
            let vm = vm
            try await control.talk(to: record) { agent async throws(LivemigError) in
                try await agent.recover(vm, step)
            }
        }
        return Outcome(before: before, done: steps, after: steps.isEmpty ? before : await look())
    }

    private func look() async -> Whereabouts {
        await control.whereabouts(of: vm, on: control.directory.hosts)
    }

    /// The right may be taken only where the one host that may hold it is the one that is off.
    private func forcedSteps(
        _ found: Whereabouts, _ fenced: HostName
    ) throws(LivemigError) -> [(host: HostName, step: RecoveryStep)] {
        let parties = found.parties
        let (taker, silent): (Parties.Party?, Parties.Party?) =
            switch parties.verdict {
            case .sourceMustNotRun: (parties.source, parties.destination)
            case .destinationMustNotRun: (parties.destination, parties.source)
            default: (nil, nil)
            }
        guard let host = taker?.host, let silent else {
            throw LivemigError(
                .usage, "nothing is to be forced: VM \(vm) \(found.sentence)",
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
}

/// Gives up the move of a VM that is under way, whoever began it.
public struct Cancellation: Sendable {
    private let control: HostControl

    /// Cancels by means of a way to hosts.
    public init(_ control: HostControl) { self.control = control }

    /// Gives the move up.
    ///
    /// - Parameter name: a VM, or a migration's number.
    /// - Returns: where the VM is then.
    /// - Throws: `E-NOTRUNNING` when no move is under way, `E-TOOLATE` after the commit.
    public func cancel(_ name: String) async throws(LivemigError) -> Whereabouts {
        let vm = try await find(name)
        let hosts = control.directory.hosts
        let found = await control.whereabouts(of: vm, on: hosts)
        let mover = found.entries.first { entry in
            if case .record(let record, _) = entry.view { record.right.isIntent } else { false }
        }
        guard let mover else { throw nothingToCancel(vm, found) }
        do throws(LivemigError) {
            try await control.talk(to: try control.directory.host(mover.host)) {
                agent async throws(LivemigError) in try await agent.cancel(vm)
            }
        } catch  where error.code == .inTransfer || error.code == .tooLate {
            // Committed since the records were read.
            throw nothingToCancel(vm, await control.whereabouts(of: vm, on: hosts))
        }
        return await control.whereabouts(of: vm, on: hosts)
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

    private func find(_ name: String) async throws(LivemigError) -> VMName {
        guard let bits = Bits128(hexadecimal: name) else { return try VMName(name) }
        let answers = await control.machines(on: control.directory.hosts)
        let machine = answers.flatMap { $0.value?.machines ?? [] }.first {
            $0.right.attempt?.migration == MigrationID(bits)
        }
        guard let machine else {
            let damaged = answers.flatMap { $0.value?.damaged ?? [] }
            throw answers.compactMap(\.error).first ?? damaged.first?.complaint
                ?? LivemigError(.notRunning, "no migration \(name) is under way")
        }
        return try VMName(machine.name)
    }
}

extension AgentConnection {
    /// Asks the host for one step of a recovery.
    fileprivate func recover(_ vm: VMName, _ step: RecoveryStep) async throws(LivemigError) {
        _ = try await request(
            RecoverMachine(name: vm, step: step), for: DoneMessage.self,
            within: AgentConnection.startLimit)
    }

    /// Gives the move of a VM up.
    fileprivate func cancel(_ vm: VMName) async throws(LivemigError) {
        _ = try await request(CancelMachine(name: vm), for: DoneMessage.self)
    }
}
