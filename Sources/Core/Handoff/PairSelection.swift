import MigrationModel
import Ownership

/// The choice of the two hosts that a verdict about a VM is about.
struct PairSelection {
    typealias Member = HandoffPair.Member
    typealias Known = (host: HostName, record: OwnershipRecord, state: GuestLocation.State)

    let entries: [VMLocation.Entry]

    /// Two owners come first, the later claim before the other; then whoever holds a copy of the
    /// attempt that gave the VM away, then an owner, then the host that the record names as the peer.
    var pair: (Member?, Member?) {
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
    var rivals: [Member] {
        let kept = Verdict.decide(source: pair.0?.view, destination: pair.1?.view)
        let isOlder = kept == .sourceMustNotRun || kept == .handOverInFlight
        return owners.dropFirst(isOlder || kept == .handOverRefused ? 0 : 1).map(party)
    }

    /// Whether a host that has given the VM away may let its copy go.
    func isConfirmed(by giver: Member?) -> Bool {
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

    /// Whoever received what a host gave away.
    ///
    /// An owner that was overruled has the attempt of the owner that was kept, and received nothing.
    private func receiver(of giver: Known) -> Member {
        let same = known.first { other in
            if case .gone = other.record.right { return false }
            return other.host != giver.host
                && other.record.right.attempt == giver.record.right.attempt
        }
        if let same { return party(same) }
        let later = owners.first { $0.record.right.epoch > giver.record.right.epoch }
        return later.map(party) ?? peer(of: giver)
    }

    private func peer(of other: Known) -> Member {
        guard let entry = entries.first(where: { $0.host.text == other.record.peer }) else {
            return Member(host: nil, view: nil)
        }
        switch entry.view {
        case .record(let record, let state):
            return party((entry.host, record, state))
        case .absent:
            return Member(host: entry.host, view: HostView(right: .none, guest: .stopped))
        case .silent: return Member(host: entry.host, view: nil)
        }
    }

    private func party(_ known: Known) -> Member {
        Member(host: known.host, view: HostView(right: known.record.right, guest: known.state))
    }

    private static let nobody = Member(
        host: nil, view: HostView(right: .none, guest: .stopped))
}
