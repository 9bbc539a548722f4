public import MigrationModel
public import Ownership

extension GuardianCore {
    /// What can happen to a guardian.
    public enum Input: Sendable {
        // MARK: The start

        /// The VM starts from power-on.
        case powerOn
        /// A source wants to hand the VM over; the agent receives it.
        case arm(Attempt, by: Client)
        /// The VM was saved here; the agent restores it.
        case restoring(by: Client)
        /// A guest is found whose guardian has died; it may be left as it is.
        case adopt(SourceMachine.Guest, keepsStill: Bool)

        // MARK: A move

        /// The agent wants to move the guest away; what the guest does: runs, or is paused.
        case begin(Attempt, SourceMachine.Guest, keepPaused: Bool, by: Client)
        /// A step of giving the VM away.
        case give(SourceMachine.Event)
        /// A step of receiving it.
        case receive(DestinationMachine.Event)
        /// The agent's work is given up.
        case abort
        /// A move is given up, whoever its worker is.
        case cancel

        // MARK: Saving

        /// The agent wants to save the guest; whether it runs.
        case suspend(isRunning: Bool, by: Client)
        /// The agent has written the guest whole.
        case keep(by: Client)
        /// The agent has put the guest back.
        case restored(resume: Bool, by: Client)

        // MARK: Operators

        /// The VM is powered off.
        case powerOff
        /// Whatever a move left behind is put in order; whether the guest runs.
        case settle(isRunning: Bool)
        /// The peer is fenced, and cannot run the VM.
        case peerFenced

        // MARK: Occurrences

        /// An agent's connection has ended.
        case clientGone(Client)
        /// The guest has stood still for as long as it may.
        case deadlinePassed
        /// The time has come to try what is owed to the guest.
        case retry
        /// The hypervisor has ended by itself: the guest is no more.
        case hypervisorEnded
    }

    /// Takes in what has happened.
    /// - Throws: when it is not possible now; nothing has changed then. `E-BUSY` without a place
    ///   where an agent works with the guest.
    public mutating func plan(_ input: Input) throws(LivemigError) {
        before = Before(ownership: ownership, work: work, isResumeOwed: isResumeOwed)
        purpose = .other
        switch input {
        case .powerOn: try feed(.hypervisorEnded)
        case .arm(let attempt, let client):
            try feed(.destination(.arm(attempt)))
            work = .moving(client)
        case .restoring(let client): work = .restoring(client)
        case .adopt(let guest, keepsStill: true):
            ownership = GuardianMachine(right: ownership.right, guest: guest)
        case .adopt(let guest, keepsStill: false): try feed(.adopted(guest))
        case .begin(let attempt, let guest, let keepPaused, let client):
            try begin(attempt, guest, keepPaused, client)
        case .give(let event): try give(event)
        case .receive(let event): try receive(event)
        case .abort: try isStoring ? giveUpStoring() : feed(.source(.abort))
        case .cancel: try cancel()
        case .suspend(let isRunning, let client): try suspend(isRunning, client)
        case .keep(let client): try keep(client)
        case .restored(let resume, let client): try restored(resume, client)
        case .powerOff: try powerOff()
        case .settle(let isRunning): try settle(isRunning)
        case .peerFenced: try feed(.peerFenced)
        case .clientGone(let client): try lose(client)
        case .deadlinePassed: try feed(.deadlinePassed)
        case .retry: retry()
        case .hypervisorEnded:
            purpose = .end
            do throws(LivemigError) { try feed(.hypervisorEnded) } catch {
                isFinished = true
                throw error
            }
        }
        insistOnRecord()
    }

    /// No guest runs by a record that may not be on the medium: it is written again before.
    private mutating func insistOnRecord() {
        guard isRecordUncertain, let index = effects.firstIndex(of: .resumeGuest) else { return }
        let isWritten = effects[..<index].contains { if case .record = $0 { true } else { false } }
        if !isWritten { effects.insert(.record(ownership.right), at: index) }
    }

    private mutating func feed(_ event: GuardianMachine.Event) throws(LivemigError) {
        effects = try ownership.handle(event).map(Effect.init)[...]
    }

    // MARK: Moves

    private mutating func begin(
        _ attempt: Attempt, _ guest: SourceMachine.Guest, _ keepPaused: Bool, _ client: Client
    ) throws(LivemigError) {
        try requireIdle()
        guard guest == .running || keepPaused else {
            throw LivemigError(
                .paused, "the guest is paused and would stay so",
                fix: "pass --keep-paused to move it all the same")
        }
        var machine = GuardianMachine(right: ownership.right, guest: guest)
        effects = try machine.handle(.source(.begin(attempt))).map(Effect.init)[...]
        (ownership, work) = (machine, .moving(client))
    }

    private mutating func give(_ event: SourceMachine.Event) throws(LivemigError) {
        try feed(.source(event))
        switch event {
        case .acknowledged: purpose = .last(isOverruled: false)
        case .overruled: purpose = .last(isOverruled: true)
        default: break
        }
    }

    private mutating func receive(_ event: DestinationMachine.Event) throws(LivemigError) {
        try feed(.destination(event))
        switch event {
        case .token: purpose = .token
        case .discard: purpose = .last(isOverruled: false)
        default: break
        }
    }

    /// The worker notices that its connection has gone.
    private mutating func cancel() throws(LivemigError) {
        guard case .intent = ownership.right, case .moving(let client) = work else {
            guard ownership.right.isUnderWay else {
                throw LivemigError(
                    .notRunning, "no move of the VM is under way",
                    at: "record says \(ownership.right.word)")
            }
            return try feed(.source(.abort))
        }
        try lose(client)
        effects = [.letGo(client)] + effects
    }

    // MARK: Saving

    private mutating func suspend(_ isRunning: Bool, _ client: Client) throws(LivemigError) {
        try requireIdle()
        guard case .owner = ownership.right else { throw .heldByMove }
        work = .saving(client, wasRunning: isRunning || isResumeOwed)
        isResumeOwed = false
        purpose = .suspension
        if isRunning { effects = [.stopGuest] }
    }

    /// Nothing brings the guest in memory back once the file counts.
    private mutating func keep(_ client: Client) throws(LivemigError) {
        guard case .saving(client, _) = work else {
            throw LivemigError(.wire, "a saved guest came that nobody saves")
        }
        purpose = .last(isOverruled: false)
        effects = [.keepSavedGuest, .destroyGuest]
    }

    /// A guest of which no instruction has run, for a disk is held elsewhere, stays saved.
    private mutating func restored(_ resume: Bool, _ client: Client) throws(LivemigError) {
        guard case .restoring(client) = work else {
            throw LivemigError(.wire, "there is no guest that is restored")
        }
        effects = resume ? [.spendSavedGuest, .resumeRestoredGuest] : [.spendSavedGuest]
        effects.append(.removeUnfinishedSave)
    }

    /// A guest that was to be saved runs on, one that was to be restored stays saved.
    private mutating func giveUpStoring() {
        switch work {
        case .none, .moving: return
        case .saving(_, let wasRunning):
            effects = wasRunning ? [.removeUnfinishedSave, .resumeGuest] : [.removeUnfinishedSave]
        case .restoring:
            purpose = .last(isOverruled: false)
            effects = [.destroyGuest]
        }
        work = .none
    }

    // MARK: Operators and occurrences

    private mutating func powerOff() throws(LivemigError) {
        try requireNotStoring()
        guard case .owner = written else {
            throw LivemigError(
                .busy, "a migration holds the VM", at: "record says \(written.word)",
                fix: "cancel or recover it first")
        }
        purpose = .last(isOverruled: false)
        effects = [.destroyGuest]
    }

    /// A move in progress is left alone.
    private mutating func settle(_ isRunning: Bool) throws(LivemigError) {
        try requireNotStoring()
        if case .moving = work, ownership.right.isUnderWay { throw .heldByMove }
        try feed(.adopted(isRunning ? .running : .stopped))
    }

    private mutating func lose(_ client: Client) throws(LivemigError) {
        guard work.client == client else { return }
        guard case .moving = work else { return giveUpStoring() }
        work = .none
        // It is gone, whatever becomes of the record.
        before = Before(ownership: ownership, work: work, isResumeOwed: isResumeOwed)
        try feed(.workerGone)
    }

    private mutating func retry() {
        guard isResumeOwed else { return }
        guard ownership.right.mayRun else { return isResumeOwed = false }
        effects = [.resumeGuest]
    }

    /// Insists that no agent works with the guest.
    /// - Throws: `E-BUSY` without a place.
    public func requireIdle() throws(LivemigError) {
        try requireNotStoring()
        guard work == .none else { throw .heldByMove }
    }

    private func requireNotStoring() throws(LivemigError) {
        guard isStoring else { return }
        throw LivemigError(
            .busy, "the guest is being saved or restored",
            fix: "wait for its end, or interrupt the command that does it")
    }

}

extension LivemigError {
    /// Another move works with the guest; whoever knows which one adds the place.
    public static var heldByMove: LivemigError {
        LivemigError(.busy, "another migration holds the VM")
    }
}
