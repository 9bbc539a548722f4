public import MigrationModel
import Ownership

/// What an operator decides where records do not, naming the host that loses.
public enum RecoveryDecision: Sendable {
    /// The host is off for good and cannot run the VM: another may take the right that it may hold.
    case fenced(HostName)
    /// The host says that it owns the VM, and so does another one: it gives the VM up.
    case overruled(HostName)
}

extension VMLocation {
    /// What a recovery does, in order.
    /// - Throws: `E-USAGE` or `E-VMSTATE` for a decision that does not fit what hosts say.
    func steps(
        by decision: RecoveryDecision?
    ) throws(LivemigError) -> [(host: HostName, step: RecoveryStep)] {
        switch decision {
        case nil: pair.steps
        case .fenced(let host): try steps(fencing: host)
        case .overruled(let host): try steps(overruling: host)
        }
    }

    /// The right may be taken only where the one host that may hold it is the one that is off.
    private func steps(
        fencing fenced: HostName
    ) throws(LivemigError) -> [(host: HostName, step: RecoveryStep)] {
        let (taker, silent): (HandoffPair.Member?, HandoffPair.Member?) =
            switch pair.verdict {
            case .sourceMustNotRun: (pair.source, pair.destination)
            case .destinationMustNotRun: (pair.destination, pair.source)
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
    private func steps(
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
