import MigrationModel
import Ownership

/// A verdict as people read it: a sentence, where the guest is, and what is wrong if it is not
/// certain.
struct VerdictText {
    let vm: String
    let entries: [VMLocation.Entry]
    let pair: HandoffPair

    private var source: String { pair.source?.host?.text ?? "a host not in the inventory" }
    private var destination: String {
        pair.destination?.host?.text ?? "a host that is not in the inventory"
    }

    private var silent: [LivemigError] {
        entries.compactMap { if case .silent(let error) = $0.view { error } else { nil } }
    }

    private var silentNames: String {
        let names = entries.compactMap { entry -> String? in
            if case .silent = entry.view { entry.host.text } else { nil }
        }
        return names.joined(separator: " and ")
    }

    /// Where the guest is.
    var guest: GuestLocation {
        switch pair.verdict {
        case .runsOnSource, .sourceOwnsInterrupted, .sourceSafeAlone: location(pair.source)
        case .runsOnDestination, .committedStarting, .crashedOnDestination, .destinationOwnsAlone:
            location(pair.destination)
        case .handOverInFlight, .handOverRefused, .sourceMustNotRun, .movedOn:
            GuestLocation(vm: vm, state: .inTransfer, host: "", epoch: Epoch(0))
        case .nowhere, .destinationMustNotRun, .impossible:
            GuestLocation(vm: vm, state: .unknown, host: "", epoch: Epoch(0))
        }
    }

    private func location(_ party: HandoffPair.Member?) -> GuestLocation {
        GuestLocation(
            vm: vm, state: party?.view?.guest ?? .unknown, host: party?.host?.text ?? "",
            epoch: party?.view?.right.epoch ?? Epoch(0))
    }

    /// The verdict in words, without the VM's name.
    var sentence: String { verdict + rivals }

    private var verdict: String {
        switch pair.verdict {
        case .runsOnSource, .sourceSafeAlone: doing(pair.source) + leftover
        case .sourceOwnsInterrupted: doing(pair.source) + Self.underWay
        case .runsOnDestination, .destinationOwnsAlone: doing(pair.destination) + stale
        case .committedStarting: "was handed over to \(destination) and has yet to run there"
        case .crashedOnDestination:
            "was handed over to \(destination), and its hypervisor has ended there; "
                + "start it there, the copy on \(source) is stale"
        case .handOverInFlight: "is being handed over from \(source) to \(destination)"
        case .handOverRefused: "was given away by \(source), and \(destination) cannot take it"
        case .movedOn: "was given away by \(source) and has gone on from \(destination)"
        case .sourceMustNotRun where pair.destination?.view?.right.mayRun == true:
            "was given away by \(source) at epoch \(epoch(pair.source)): do not start it"
        case .sourceMustNotRun:
            "was given away by \(source); \(destination) cannot be asked: do not start it"
        case .destinationMustNotRun:
            "has a copy on \(destination) without the right to run; \(source) cannot be asked"
        case .impossible: "is claimed by \(source) and \(destination) at once"
        case .nowhere: nowhere
        }
    }

    private func epoch(_ party: HandoffPair.Member?) -> Epoch {
        party?.view?.right.epoch ?? Epoch(0)
    }

    /// Who else says that it owns the VM.
    private var rivals: String {
        pair.rivals.map { rival in
            let host = rival.host?.text ?? "another host"
            let runs = rival.view?.guest.isOff == false ? ", and runs it" : ""
            return "; \(host) claims it too, by an older record, epoch \(epoch(rival))\(runs)"
        }.joined()
    }

    private var nowhere: String {
        if pair.destination?.view?.right.isCopyWaiting == true {
            return "has a copy on \(destination) without the right to run, and no owner"
        }
        return silent.isEmpty
            ? "is on no host" : "is on no host that answers; \(silentNames) cannot be asked"
    }

    private func doing(_ party: HandoffPair.Member?) -> String {
        let host = party?.host?.text ?? ""
        return switch party?.view?.guest {
        case .running: "runs on \(host)"
        case .paused: "is paused on \(host)"
        case .ioError: "is paused by an I/O error on \(host)"
        case .failed: "has failed on \(host)"
        case .stopped: "is stopped; \(host) may start it"
        case .saved: "is saved on \(host), which may restore it"
        case .inTransfer: "is being handed over by \(host)"
        case .unknown, nil: "belongs to \(host), which does not say what the guest does"
        }
    }

    private var leftover: String {
        pair.destination?.view?.right.isCopyWaiting == true ? Self.underWay : ""
    }

    private static let underWay = "; a move is under way or was interrupted"

    private var stale: String {
        guard case .released = pair.source?.view?.right else { return "" }
        return "; the copy on \(source) is to be removed"
    }

    /// Why there is no certain answer.
    var trouble: LivemigError? {
        if let rival = pair.rivals.first?.host, let owner = pair.owner?.host {
            return LivemigError(
                .internal, "VM \(vm) \(sentence)",
                fix: "find out which host has the good guest; livemig recover \(vm) --overruled "
                    + "\(rival) has \(rival) give it up, and \(owner) keep it")
        }
        return troubleOfVerdict
    }

    private var troubleOfVerdict: LivemigError? {
        switch pair.verdict {
        case .runsOnSource, .sourceOwnsInterrupted, .sourceSafeAlone, .runsOnDestination,
            .committedStarting, .crashedOnDestination, .destinationOwnsAlone:
            nil
        case .handOverInFlight, .handOverRefused, .movedOn:
            LivemigError(
                .inTransfer, "VM \(vm) \(sentence)", fix: "run livemig recover \(vm)")
        case .sourceMustNotRun, .destinationMustNotRun:
            damaged
                ?? LivemigError(
                    .inTransfer, "VM \(vm) \(sentence)",
                    fix:
                        "bring that host back and run livemig recover \(vm), or power it off for good "
                        + "and see livemig recover --help")
        case .impossible:
            LivemigError(
                .internal, "VM \(vm) \(sentence)",
                fix:
                    "livemig recover \(vm) stops both; find out which host has the good guest, then "
                    + "livemig recover \(vm) --overruled HOST has the other one give it up")
        case .nowhere: lost
        }
    }

    /// The error of a host that has the VM and cannot read its record or definition.
    private var damaged: LivemigError? {
        silent.first { $0.code != .journal && $0.code.isOfDamage }
    }

    private var lost: LivemigError {
        if pair.destination?.view?.right.isCopyWaiting == true {
            return LivemigError(.inTransfer, "VM \(vm) \(sentence)")
        }
        return silent.first
            ?? LivemigError(.noVM, "no VM \(vm) on any host of the inventory")
    }
}
