public import MigrationModel

/// What a guardian decides, whichever side of a move its host is on: a pure state machine that
/// returns what must be done.
///
/// One record, one guest. A host that has received a guest gives it away later, so the record alone
/// says which of the two sides speaks; what neither side asked for (a worker or a hypervisor that
/// has gone, a deadline, a guardian that takes over a guest it did not start) is decided here.
public struct GuardianMachine: Hashable, Sendable {
    /// What can happen.
    public enum Event: Hashable, Sendable {
        /// A step of giving the VM away.
        case source(SourceMachine.Event)
        /// A step of receiving it.
        case destination(DestinationMachine.Event)
        /// The worker of the move has gone.
        case workerGone
        /// The guest has stood still for as long as it may.
        case deadlinePassed
        /// The hypervisor has ended by itself: the guest is no more.
        case hypervisorEnded
        /// The guardian has found a guest whose guardian died.
        case adopted(SourceMachine.Guest)
        /// An operator has fenced the peer, which thereby cannot run the VM.
        case peerFenced
    }

    /// The record.
    public private(set) var right: Right
    /// What the guest does, as far as the protocol is concerned.
    public private(set) var guest: SourceMachine.Guest

    /// How far an operator's decision raises the epoch, so that no message of an earlier attempt
    /// fits any more (SWITCHOVER, "Verdicts").
    public static let forcedEpochs: UInt64 = 1000

    /// Starts from what the record and the hypervisor say.
    public init(right: Right, guest: SourceMachine.Guest) {
        self.right = right
        self.guest = guest
    }

    /// Takes an event in.
    /// - Returns: what must be done, in order.
    /// - Throws: when the event is not possible now; nothing has changed then.
    public mutating func handle(_ event: Event) throws(LivemigError) -> [OwnershipEffect] {
        switch event {
        case .source(let event): try give(event)
        case .destination(let event): try receive(event)
        case .workerGone: try loseWorker()
        case .deadlinePassed: right.isIntent ? try give(.abort) : []
        case .hypervisorEnded: try loseGuest()
        case .adopted(let found): try adopt(found)
        case .peerFenced: try force()
        }
    }

    private mutating func give(
        _ event: SourceMachine.Event
    ) throws(LivemigError) -> [OwnershipEffect] {
        var machine = SourceMachine(right: right, guest: guest)
        let effects = try machine.handle(event)
        (right, guest) = (machine.right, machine.guest)
        return effects
    }

    private mutating func receive(
        _ event: DestinationMachine.Event
    ) throws(LivemigError) -> [OwnershipEffect] {
        var machine = DestinationMachine(right: right)
        let effects = try machine.handle(event)
        right = machine.right
        if case .token(_, _, let resume) = event, !effects.isEmpty {
            guest = resume ? .running : .paused
        }
        return effects
    }

    /// A copy that is ready waits for the right without its worker; it may be the only good one.
    private mutating func loseWorker() throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .intent: try give(.abort)
        case .armed(let attempt): try receive(.discard(attempt))
        default: []
        }
    }

    private mutating func loseGuest() throws(LivemigError) -> [OwnershipEffect] {
        switch right {
        case .intent: try give(.abort).filter { $0 != .resumeGuest }
        case .armed(let attempt), .ready(let attempt, _): try receive(.discard(attempt))
        default: []
        }
    }

    /// Takes over a guest whose guardian died.
    ///
    /// An owner's guest that stands still was stopped for a hand-over, or not started after one: it
    /// runs again. A copy without the right waits, and one that will never get it is destroyed.
    private mutating func adopt(
        _ found: SourceMachine.Guest
    ) throws(LivemigError) -> [OwnershipEffect] {
        guest = found == .running ? .running : .stopped
        switch right {
        case .intent: return try give(.abort)
        case .owner:
            guard guest == .stopped else { return [] }
            guest = .running
            return [.resumeGuest]
        case .armed(let attempt): return try receive(.discard(attempt))
        case .ready, .released: return []
        case .none, .gone, .aborted: return [.destroyGuest]
        }
    }

    /// Takes the right that the fenced peer may hold.
    ///
    /// A copy that has no device state yet, or that
    /// has gone, cannot take it.
    private mutating func force() throws(LivemigError) -> [OwnershipEffect] {
        let (sum, overflow) = right.epoch.number.addingReportingOverflow(Self.forcedEpochs)
        guard !overflow else {
            throw LivemigError(.range, "the epoch cannot be raised", at: "epoch \(right.epoch)")
        }
        switch right {
        case .ready(let attempt, _): right = .owner(Epoch(sum), attempt.migration)
        case .released: right = .owner(Epoch(sum), nil)
        case .owner, .intent: return []
        case .none, .gone, .armed, .aborted:
            throw LivemigError(
                .vmState, "there is no whole copy of the VM to run",
                at: "record says \(right.word), epoch \(right.epoch)")
        }
        guest = .running
        return [.record(right), .resumeGuest]
    }
}
