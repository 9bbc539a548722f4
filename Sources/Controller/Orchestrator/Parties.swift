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
    /// Other hosts that say they own the VM, by records that are older; the latest first.
    public let rivals: [Party]

    private let leftovers: [Leftover]
    private let isHandOverConfirmed: Bool

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
        let choice = Choice(entries: entries)
        (source, destination) = choice.pair
        verdict = Verdict.decide(source: source?.view, destination: destination?.view)
        rivals = verdict == .impossible ? [] : choice.rivals
        isHandOverConfirmed = choice.isConfirmed(by: source)
    }

    /// What remains to be done, in order, and by whom.
    ///
    /// No host loses what may be the only good copy by another's word: an owner is never told to
    /// give the VM up, and a host that has handed it over is told so only when the host says it that
    /// took it over, or knows of the very hand-over.
    public var steps: [(host: HostName, step: RecoveryStep)] {
        let steps = verdict.steps(source: source?.view, destination: destination?.view)
        return steps.compactMap { planned in
            switch planned {
            case .source(.finish) where !isHandOverConfirmed: nil
            case .source(let step): source?.host.map { ($0, step) }
            case .destination(let step): destination?.host.map { ($0, step) }
            }
        } + leftovers.map { ($0.host, $0.step) }
    }

    /// The host that says it owns the VM and whose record counts.
    public var owner: Party? {
        switch verdict {
        case .runsOnSource, .sourceOwnsInterrupted, .sourceSafeAlone: source
        case .runsOnDestination, .committedStarting, .crashedOnDestination, .destinationOwnsAlone:
            destination
        default: nil
        }
    }
}

private struct Choice {
    typealias Party = Parties.Party
    typealias Known = (host: HostName, record: OwnershipRecord, state: GuestLocation.State)

    let entries: [Whereabouts.Entry]

    /// Two owners come first, the later claim before the other; then whoever holds a copy of the
    /// attempt that gave the VM away, then an owner, then the host that the record names as the peer.
    var pair: (Party?, Party?) {
        if owners.count > 1 { return (party(owners[0]), party(owners[1])) }
        if let giver = latest({ if case .released = $0 { true } else { false } }) {
            return (party(giver), receiver(of: giver))
        }
        let copy = known.first { $0.record.right.isCopyWaiting }
        if let owner = owners.first { return (party(owner), copy.map(party) ?? Self.nobody) }
        if let copy { return (peer(of: copy), party(copy)) }
        let gone = latest { if case .gone = $0 { true } else { false } }
        return gone.map { (party($0), peer(of: $0)) } ?? (Self.nobody, Self.nobody)
    }

    /// Owners beside the one whose record counts.
    var rivals: [Party] {
        let kept = Verdict.decide(source: pair.0?.view, destination: pair.1?.view)
        let isOlder = kept == .sourceMustNotRun || kept == .handOverInFlight
        return owners.dropFirst(isOlder || kept == .handOverRefused ? 0 : 1).map(party)
    }

    /// Whether a host that has given the VM away may let its copy go.
    func isConfirmed(by giver: Party?) -> Bool {
        guard let giver = known.first(where: { $0.host == giver?.host }),
            let attempt = giver.record.right.attempt
        else { return true }
        return known.contains { other in
            guard other.host != giver.host else { return false }
            let right = other.record.right
            let isPeer = other.host.text == giver.record.peer
            return right.attempt == attempt || isPeer && right.epoch > attempt.epoch
        }
    }

    private var owners: [Known] {
        known.filter(\.record.right.mayRun)
            .sorted { $0.record.right.epoch > $1.record.right.epoch }
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
        if let same = others.first(where: { $0.record.right.attempt == giver.record.right.attempt })
        {
            return party(same)
        }
        let later = owners.first { $0.record.right.epoch > giver.record.right.epoch }
        return later.map(party) ?? peer(of: giver)
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
