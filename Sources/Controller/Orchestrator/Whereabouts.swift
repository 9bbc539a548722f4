public import MigrationModel

/// Where a VM is, decided from what every host's record says of it.
///
/// The rules are those of the hand-over: a record that says `OWN` or `INT` gives its host the right
/// to run the VM, and no other does.
public struct Whereabouts: Hashable, Sendable {
    /// What one host says.
    public enum View: Hashable, Sendable {
        /// Its record, and what the guest does there.
        case machine(MachineSummary)
        /// The host does not have the VM.
        case absent
        /// The host cannot be asked.
        case silent(LivemigError)
    }

    /// A host and what it says.
    public struct Entry: Hashable, Sendable {
        /// The host.
        public let host: HostName
        /// What it says.
        public let view: View

        /// States an entry.
        public init(host: HostName, view: View) {
            self.host = host
            self.view = view
        }
    }

    /// The VM.
    public let vm: String
    /// Where it is, as far as the records tell.
    public let guest: GuestLocation
    /// The verdict in words.
    public let sentence: String
    /// Whether the records allow no answer, and why; `nil` where they do.
    public let trouble: LivemigError?
    /// What each host says, in the inventory's order.
    public let entries: [Entry]

    /// Decides.
    public init(of vm: String, _ entries: [Entry]) {
        let judge = Judge(vm: vm, entries: entries)
        let verdict = judge.verdict
        self.vm = vm
        self.entries = entries
        guest = verdict.guest
        sentence = verdict.sentence
        trouble = verdict.trouble
    }

    /// The summary of the host that holds the VM, else of any that knows it.
    public var summary: MachineSummary? {
        let known = entries.compactMap { entry -> (HostName, MachineSummary)? in
            if case .machine(let summary) = entry.view { (entry.host, summary) } else { nil }
        }
        return (known.first { $0.0.text == guest.host } ?? known.first)?.1
    }
}

private struct Judge {
    typealias Verdict = (guest: GuestLocation, sentence: String, trouble: LivemigError?)

    let vm: String
    let entries: [Whereabouts.Entry]

    private var known: [(host: HostName, summary: MachineSummary)] {
        entries.compactMap { entry in
            if case .machine(let summary) = entry.view { (entry.host, summary) } else { nil }
        }
    }

    private func hosts(saying words: String...) -> [(host: HostName, summary: MachineSummary)] {
        known.filter { words.contains($0.summary.right.word) }
    }

    private var silent: [HostName] {
        entries.compactMap { if case .silent = $0.view { $0.host } else { nil } }
    }

    private var firstError: LivemigError? {
        entries.compactMap { if case .silent(let error) = $0.view { error } else { nil } }.first
    }

    var verdict: Verdict {
        let owners = hosts(saying: "OWN", "INT")
        if owners.count > 1 { return contradiction(owners.map(\.host)) }
        if let owner = owners.first { return owned(by: owner.host, owner.summary) }
        if let giver = hosts(saying: "REL", "GONE").first { return released(by: giver.host) }
        if let waiting = hosts(saying: "ARM", "RDY").first { return unowned(on: waiting.host) }
        return nowhere
    }

    private func owned(by host: HostName, _ summary: MachineSummary) -> Verdict {
        let guest = GuestLocation(
            vm: vm, state: summary.state, host: host.text, epoch: summary.epoch)
        let doing: String
        switch summary.state {
        case .running: doing = "runs on \(host)"
        case .paused: doing = "is paused on \(host)"
        case .stopped: doing = "is stopped; \(host) may start it"
        case .inTransfer: doing = "is being handed over by \(host)"
        case .unknown: doing = "belongs to \(host), which does not say what the guest does"
        }
        let move =
            summary.right.isIntent || !hosts(saying: "ARM", "RDY").isEmpty
            ? "; a move is under way or was interrupted" : ""
        return (guest, doing + move, nil)
    }

    private func released(by host: HostName) -> Verdict {
        let guest = GuestLocation(vm: vm, state: .inTransfer, host: "", epoch: Epoch(0))
        let ready = hosts(saying: "RDY").first?.host
        let sentence: String
        if let ready {
            sentence = "is being handed over from \(host) to \(ready)"
        } else if silent.isEmpty {
            sentence = "was given away by \(host), and no host has taken it"
        } else {
            sentence = "was given away by \(host); \(list(silent)) cannot be asked: do not start it"
        }
        return (guest, sentence, LivemigError(.inTransfer, "VM \(vm) \(sentence)"))
    }

    private func unowned(on host: HostName) -> Verdict {
        let sentence =
            silent.isEmpty
            ? "has a copy on \(host) without the right to run, and no owner"
            : "has a copy on \(host) without the right to run; \(list(silent)) cannot be asked"
        return (unknown, sentence, LivemigError(.inTransfer, "VM \(vm) \(sentence)"))
    }

    private var nowhere: Verdict {
        guard let error = firstError else {
            let error = LivemigError(.noVM, "no VM \(vm) on any host of the inventory")
            return (unknown, "is on no host", error)
        }
        let sentence = "is on no host that answers; \(list(silent)) cannot be asked"
        return (unknown, sentence, error)
    }

    private func contradiction(_ hosts: [HostName]) -> Verdict {
        let sentence = "is claimed by \(list(hosts)) at once: stop it on one of them by hand"
        return (unknown, sentence, LivemigError(.internal, "VM \(vm) \(sentence)"))
    }

    private var unknown: GuestLocation {
        GuestLocation(vm: vm, state: .unknown, host: "", epoch: Epoch(0))
    }

    private func list(_ hosts: [HostName]) -> String {
        hosts.map(\.text).joined(separator: " and ")
    }
}

extension HostControl {
    /// Asks hosts about one VM, and decides where it is.
    public func whereabouts(
        of name: VMName, on hosts: [HostRecord]
    ) async -> Whereabouts {
        let answers = await look(for: name, on: hosts)
        return Whereabouts(
            of: name.text,
            answers.map { answer in
                switch answer.result {
                case .success(let summary?): .init(host: answer.host.name, view: .machine(summary))
                case .success(nil): .init(host: answer.host.name, view: .absent)
                case .failure(let error): .init(host: answer.host.name, view: .silent(error))
                }
            })
    }

    /// Asks all hosts about all VMs, ordered by name; VMs of one name with different UUIDs are told
    /// apart.
    public func whereabouts() async -> (vms: [Whereabouts], silent: [LivemigError]) {
        let answers = await machines(on: directory.hosts)
        var order: [VMUUID] = []
        var names: [VMUUID: String] = [:]
        for machine in answers.flatMap({ $0.value ?? [] }) where names[machine.uuid] == nil {
            names[machine.uuid] = machine.name
            order.append(machine.uuid)
        }
        let vms = order.map { uuid in
            Whereabouts(
                of: names[uuid] ?? "",
                answers.map { answer in
                    switch answer.result {
                    case .success(let machines):
                        let match = machines.first { $0.uuid == uuid }
                        return .init(
                            host: answer.host.name, view: match.map { .machine($0) } ?? .absent)
                    case .failure(let error):
                        return .init(host: answer.host.name, view: .silent(error))
                    }
                })
        }
        return (vms.sorted { $0.vm < $1.vm }, answers.compactMap(\.error))
    }
}
