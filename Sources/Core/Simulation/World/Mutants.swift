import Handoff
import MigrationModel
import Ownership

/// A rule of the protocol left out, to see that the simulator notices.
///
/// Mutants change what surrounds the production machines, never the machines themselves.
public enum Mutant: String, CaseIterable, Sendable {
    /// A source whose token is not acknowledged takes the right back.
    case resumeAfterGo = "resume-after-go"
    /// A destination that is ready runs the guest without the token.
    case destinationAutoStart = "destination-auto-start"
    /// A message of any attempt is taken for one of the attempt that the record speaks of.
    case noEpochCheck = "no-epoch-check"
    /// A destination goes on before its record is on the medium, and after a power loss answers
    /// from what it remembers.
    case noArmedRule = "no-armed-rule"
    /// A ready destination discards its copy when no token comes, without a word.
    case readyTimeout = "ready-timeout"
    /// A destination says that it has refused and keeps its record.
    case refusalIsNotDurable = "refusal-not-durable"
    /// A destination's worker says that it has refused, whether its guardian could or not.
    case refusalIsAssumed = "refusal-assumed"
    /// Nobody compares digests.
    case digestIsNotCompared = "digest-not-compared"
    /// A destination gives the right back after any failure to let the guest run.
    case givesBackAfterAnyFailure = "give-back-after-any-failure"
    /// A record is acted on that a dead process has left in the page cache.
    case unsyncedRecordIsTrusted = "unsynced-record-trusted"
    /// A recovery takes a third host for the one that a VM was handed over to.
    case wrongPair = "wrong-pair"
    /// A recovery takes what is left of an older attempt for the answer to the one in question.
    case leftoverIsPartner = "leftover-is-partner"

    /// The name on the command line and in a failure.
    public var name: String { rawValue }
}

extension World {
    /// What the production machine decides where there is no guest, unless a mutant has its way.
    func decide(
        _ event: GuardianMachine.Event, _ machine: inout GuardianMachine
    ) throws(LivemigError) -> [OwnershipEffect] {
        if case .destination(.discard) = event, forgetsRefusal(machine.right) { return [] }
        return try machine.handle(
            mutant == .noEpochCheck ? event.speaking(of: machine.right) : event)
    }

    /// What a guardian takes in, unless a mutant has its way; `nil` for what it forgets.
    func misled(_ input: GuardianCore<Int>.Input, _ right: Right) -> GuardianCore<Int>.Input? {
        switch (mutant, input) {
        case (.noEpochCheck, .give(let event)):
            if case .source(let event) = GuardianMachine.Event.source(event).speaking(of: right) {
                return .give(event)
            }
        case (.noEpochCheck, .receive(let event)):
            let event = GuardianMachine.Event.destination(event).speaking(of: right)
            if case .destination(let event) = event { return .receive(event) }
        case (.digestIsNotCompared, .give(.release(let attempt, _, let own))):
            return .give(.release(attempt, ready: own, own: own))
        case (_, .receive(.discard)) where forgetsRefusal(right): return nil
        default: break
        }
        return input
    }

    private func forgetsRefusal(_ right: Right) -> Bool {
        guard mutant == .refusalIsNotDurable else { return false }
        return switch right {
        case .ready, .armed: true
        default: false
        }
    }

    /// Runs a copy that has become ready, where the mutant does not wait for the token.
    func autoStart(after input: GuardianCore<Int>.Input, on host: Int) {
        guard mutant == .destinationAutoStart, case .receive(.ready) = input,
            faults.has(.mutantActs) || random.chance(300)
        else { return }
        note(name(host), "mutant: runs without the token")
        try? resumeGuest(at: host)
    }

    /// What a guardian makes of a failure: any one proves to the mutant that nothing ran.
    func proof(_ error: LivemigError, on host: Int) -> LivemigError {
        guard mutant == .givesBackAfterAnyFailure, case .owner = hosts[host].disk.right,
            hosts[host].hypervisor?.state != .running
        else { return error }
        return LivemigError(.lock, error.what)
    }

    /// What a recovery reads, unless a mutant takes a host for another.
    func misread(_ entries: [VMLocation.Entry]) -> [VMLocation.Entry] {
        guard let giver = entries.first(where: { $0.isGiver }), let attempt = giver.right?.attempt
        else { return entries }
        switch mutant {
        case .wrongPair:
            let holder = entries.first { $0.host != giver.host && $0.right?.attempt == attempt }
            guard let holder,
                let third = entries.first(where: { ![giver.host, holder.host].contains($0.host) })
            else { return entries }
            return entries.map { entry in
                switch entry.host {
                case giver.host: entry.with(peer: third.host)
                case holder.host: entry.silenced
                default: entry
                }
            }
        case .leftoverIsPartner:
            return entries.map { entry in
                switch entry.right {
                case .aborted, .gone: entry.with(.aborted(attempt))
                default: entry
                }
            }
        default: return entries
        }
    }

    /// Whether the mutant takes the right back now.
    func resumesAfterGo(_ attempt: Attempt, at host: Int) -> Bool { mutant == .resumeAfterGo }

    /// Whether two digests count as equal.
    func agree(_ one: Bits128, _ other: Bits128) -> Bool {
        one == other || mutant == .digestIsNotCompared
    }

    /// The mutant's timer on a copy that is ready.
    func readyTimeouts() {
        guard mutant == .readyTimeout else { return }
        for host in hosts.indices {
            guard case .ready = hosts[host].disk.right, random.chance(20),
                let guardian = hosts[host].guardian
            else { continue }
            note(name(host), "mutant: gives the ready copy up")
            destroyGuest(at: host)
            hosts[host].disk.write(.none, peer: nil)
            hosts[host].disk.sync()
            hosts[host].isDefined = false
            end(guardian)
        }
    }
}

extension GuardianMachine.Event {
    /// The same event, for the attempt of the record.
    fileprivate func speaking(of right: Right) -> GuardianMachine.Event {
        guard let attempt = right.attempt else { return self }
        return switch (self, right) {
        case (.destination(.token(_, _, let resume)), .ready(_, let digest)):
            .destination(.token(attempt, digest: digest, resume: resume))
        case (.source(.acknowledged), .released): .source(.acknowledged(attempt))
        case (.source(.refused), .released): .source(.refused(attempt))
        default: self
        }
    }
}

extension VMLocation.Entry {
    fileprivate var right: Right? {
        if case .record(let record, _) = view { record.right } else { nil }
    }

    fileprivate var isGiver: Bool { if case .released? = right { true } else { false } }

    fileprivate var silenced: VMLocation.Entry {
        .init(host: host, view: .silent(LivemigError(.connect, "not asked")))
    }

    fileprivate func with(_ right: Right? = nil, peer: HostName? = nil) -> VMLocation.Entry {
        guard case .record(var record, let state) = view else { return self }
        record.right = right ?? record.right
        record.peer = peer?.text ?? record.peer
        return .init(host: host, view: .record(record, state), machine: machine)
    }
}
