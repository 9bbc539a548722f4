public import MigrationModel
public import Ownership

/// The two hosts that a verdict about a VM is about, chosen from what all hosts say.
public struct HandoffPair: Hashable, Sendable {
    /// A host and what it knows; no view when it does not answer.
    public struct Member: Hashable, Sendable {
        /// The host; `nil` when the inventory does not know it.
        public let host: HostName?
        /// What it knows.
        public let view: HostView?
    }

    /// The host that gives the VM away, or simply has it.
    public let source: Member?
    /// The host that receives it.
    public let destination: Member?
    /// Who may run the VM.
    public let verdict: Verdict
    /// Other hosts that say they own the VM, by records that are older; the latest first.
    public let rivals: [Member]

    private let leftovers: [Leftover]
    private let isHandOverConfirmed: Bool

    /// What has lost the right for good and is there all the same.
    private struct Leftover: Hashable, Sendable {
        let host: HostName
        let step: RecoveryStep
    }

    /// Chooses the parties and decides.
    public init(_ entries: [VMLocation.Entry]) {
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
        let selection = PairSelection(entries: entries)
        (source, destination) = selection.pair
        verdict = Verdict.decide(source: source?.view, destination: destination?.view)
        rivals = verdict == .impossible ? [] : selection.rivals
        isHandOverConfirmed = selection.isConfirmed(by: source)
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
    public var owner: Member? {
        switch verdict {
        case .runsOnSource, .sourceOwnsInterrupted, .sourceSafeAlone: source
        case .runsOnDestination, .committedStarting, .crashedOnDestination, .destinationOwnsAlone:
            destination
        default: nil
        }
    }
}
