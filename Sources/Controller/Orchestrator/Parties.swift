public import MigrationModel
public import Ownership

/// The two hosts that a verdict about a VM is about, chosen from what all hosts say.
public struct Parties: Hashable, Sendable {
    /// A host and what it knows; no view when it does not answer.
    public struct Party: Hashable, Sendable {
        /// The host; `nil` when the inventory does not know it.
        public let host: HostName?
        /// What it knows.
        public let view: HostView?
    }

    /// The host that gives the VM away, or simply has it.
    public let source: Party?
    /// The host that receives it.
    public let destination: Party?
    /// Who may run the VM.
    public let verdict: Verdict

    private let leftovers: [Leftover]

    /// What has lost the right for good and is there all the same.
    private struct Leftover: Hashable, Sendable {
        let host: HostName
        let step: RecoveryStep
    }

    /// Chooses the parties and decides.
    public init(_ entries: [Whereabouts.Entry]) {
        leftovers = entries.compactMap { entry in
            guard case .record(let record, let state) = entry.view,
                state != .stopped || entry.machine != nil
            else { return nil }
            return switch record.right {
            case .gone(let attempt): Leftover(host: entry.host, step: .finish(attempt))
            case .aborted(let attempt): Leftover(host: entry.host, step: .discard(attempt))
            default: nil
            }
        }
        (source, destination) = Choice(entries: entries).pair
        verdict = Verdict.decide(source: source?.view, destination: destination?.view)
    }

    /// What remains to be done, in order, and by whom.
    public var steps: [(host: HostName, step: RecoveryStep)] {
        let steps = verdict.steps(source: source?.view, destination: destination?.view)
        return steps.compactMap { planned in
            switch planned {
            case .source(let step): source?.host.map { ($0, step) }
            case .destination(let step): destination?.host.map { ($0, step) }
            }
        } + leftovers.map { ($0.host, $0.step) }
    }
}

private struct Choice {
    typealias Party = Parties.Party
    typealias Known = (host: HostName, record: OwnershipRecord, state: GuestLocation.State)

    let entries: [Whereabouts.Entry]

    /// An owner beside the host that gave the VM away comes first, then whoever holds a copy of the
    /// same attempt, then the host that the record names as the peer.
    var pair: (Party?, Party?) {
        let owners = known.filter(\.record.right.mayRun)
        if owners.count > 1 { return (party(owners[0]), party(owners[1])) }
        if let giver = latest({ if case .released = $0 { true } else { false } }) {
            return (party(giver), owners.first.map(party) ?? receiver(of: giver))
        }
        let copy = known.first { $0.record.right.isCopyWaiting }
        if let owner = owners.first { return (party(owner), copy.map(party) ?? Self.nobody) }
        if let copy { return (peer(of: copy), party(copy)) }
        let gone = latest { if case .gone = $0 { true } else { false } }
        return gone.map { (party($0), peer(of: $0)) } ?? (Self.nobody, Self.nobody)
    }

    private var known: [Known] {
        entries.compactMap { entry in
            guard case .record(let record, let state) = entry.view else { return nil }
            return (entry.host, record, state)
        }
    }

    private func latest(_ matches: (Right) -> Bool) -> Known? {
        known.filter { matches($0.record.right) }
            .max { $0.record.right.epoch < $1.record.right.epoch }
    }

    private func receiver(of giver: Known) -> Party {
        let others = known.filter { $0.host != giver.host }
        let same = others.first { $0.record.right.attempt == giver.record.right.attempt }
        let later = others.first { $0.record.right.epoch > giver.record.right.epoch }
        return (same ?? later).map(party) ?? peer(of: giver)
    }

    private func peer(of other: Known) -> Party {
        guard let entry = entries.first(where: { $0.host.text == other.record.peer }) else {
            return Party(host: nil, view: nil)
        }
        switch entry.view {
        case .record(let record, let state):
            return party((entry.host, record, state))
        case .absent:
            return Party(host: entry.host, view: HostView(right: .none, guest: .stopped))
        case .silent: return Party(host: entry.host, view: nil)
        }
    }

    private func party(_ known: Known) -> Party {
        Party(host: known.host, view: HostView(right: known.record.right, guest: known.state))
    }

    private static let nobody = Party(
        host: nil, view: HostView(right: .none, guest: .stopped))
}
