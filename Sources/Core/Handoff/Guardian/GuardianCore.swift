public import MigrationModel
public import Ownership

/// The guardian of one VM as a pure state machine: which agent works with the guest, what may be
/// asked for, what is owed to the guest, and what becomes of a step that fails.
///
/// `plan` takes in what has happened. Its effects are performed one after the other, `next` by
/// `next`, each answered with `done` or `failed`; `conclude` says what came of it. Whoever performs
/// them may die in between: the record says enough for a guardian that comes after.
public struct GuardianCore<Client: Hashable & Sendable>: Sendable {
    /// What an agent does with the guest, until it is done or its connection ends.
    public enum Work: Hashable, Sendable {
        /// Nobody does anything.
        case none
        /// It moves the guest, away or here.
        case moving(Client)
        /// It writes the guest, which stands still, to a file.
        case saving(Client, wasRunning: Bool)
        /// It puts memory and devices back into a hypervisor that has not run yet.
        case restoring(Client)

        /// The agent.
        public var client: Client? {
            switch self {
            case .none: nil
            case .moving(let client), .saving(let client, _), .restoring(let client): client
            }
        }
    }

    /// What a guardian does, in order; a later effect may only happen once the earlier ones have.
    public enum Effect: Hashable, Sendable {
        /// Write the record and have it on the medium before anything that follows.
        case record(Right)
        /// Let the blackout deadline run, from before the guest is stopped; it comes back as
        /// `deadlinePassed`.
        case armDeadline
        /// The deadline no longer counts.
        case disarmDeadline
        /// Stop the guest.
        case stopGuest
        /// Remove the file of a saved guest, then let the guest run and make sure that it does.
        case resumeGuest
        /// Let the guest run that was restored.
        case resumeRestoredGuest
        /// End the hypervisor and free the guest's memory.
        case destroyGuest
        /// Let the file that was written be the guest, on the medium.
        case keepSavedGuest
        /// Take its worth from the file of the guest, on the medium.
        case spendSavedGuest
        /// Remove a file that does not count.
        case removeUnfinishedSave
        /// Close the connection of an agent.
        case letGo(Client)
    }

    /// What became of a record that could not be written.
    public enum Consequence: Hashable, Sendable {
        /// The next effects are performed all the same.
        case goesOn
        /// What was planned is over, or something else takes its place.
        case ends
    }

    /// The record's right, and what the guest does as far as the protocol is concerned.
    public internal(set) var ownership: GuardianMachine
    /// The right as the record states it.
    public private(set) var written: Right
    /// What an agent does with the guest.
    public internal(set) var work = Work.none
    /// Whether the guest is this host's and stands still only because a disk is held elsewhere.
    public internal(set) var isResumeOwed = false
    /// Whether the VM has gone from this host, or was powered off.
    public internal(set) var isFinished = false
    /// Whether an operator has given the VM to another owner.
    public internal(set) var isOverruled = false

    /// Whether the medium may hold another record than the one that was written last.
    private(set) var isRecordUncertain = false

    var effects: ArraySlice<Effect> = []
    var purpose = Purpose.other
    var before: Before?
    private var trouble: LivemigError?

    /// What the effects are for, as far as a failure depends on it.
    enum Purpose {
        /// The right that a token gives is taken.
        case token
        /// A guest stops to be saved.
        case suspension
        /// A restored guest that has not run is saved again.
        case savedAgain
        /// The hypervisor has ended: nothing of it stays.
        case end
        /// The guardian is done once all effects are.
        case last(isOverruled: Bool)
        case other
    }

    /// What a record that cannot be written takes back.
    struct Before {
        let ownership: GuardianMachine
        let work: Work
        let isResumeOwed: Bool
    }

    /// Starts from what the record says.
    public init(right: Right) {
        ownership = GuardianMachine(right: right, guest: .running)
        written = right
    }

    /// Whether an agent saves or restores the guest.
    public var isStoring: Bool {
        switch work {
        case .saving, .restoring: true
        case .none, .moving: false
        }
    }

    // MARK: Effects

    /// What is to be performed now; `nil` when nothing is left of what was planned.
    public var next: Effect? { effects.first }

    /// The effect has been performed.
    public mutating func done() {
        switch effects.popFirst() {
        case .record(let right): (written, isRecordUncertain) = (right, false)
        case .resumeGuest: isResumeOwed = false
        case .destroyGuest:
            isResumeOwed = false
            if case .savedAgain = purpose { isFinished = true }
        case .keepSavedGuest, .spendSavedGuest: work = .none
        default: break
        }
    }

    /// The effect could not be performed.
    /// - Returns: whether what was planned goes on.
    @discardableResult
    public mutating func failed(_ error: LivemigError) -> Consequence {
        let effect = effects.popFirst()
        switch (effect, purpose) {
        case (.record(let right), _):
            switch GuardianMachine.failure(toRecord: right, after: before?.ownership.right ?? right)
            {
            case .goesOn: return .goesOn
            case .counts: isRecordUncertain = true
            case .undone:
                isRecordUncertain = true
                takeBack()
            }
        case (.resumeGuest, .token) where GuardianMachine.provesThatNothingRan(error):
            return giveBack(after: error)
        case (.resumeGuest, _):
            let isRepeated = isResumeOwed && error.code == .lock
            isResumeOwed = error.code == .lock
            effects = []
            if !isRepeated { trouble = error }
            return .ends
        case (.resumeRestoredGuest, _) where GuardianMachine.provesThatNothingRan(error):
            (purpose, effects) = (.savedAgain, [.keepSavedGuest, .destroyGuest])
            trouble = error
            return .ends
        // The guest in memory is the only one now.
        case (.keepSavedGuest, .savedAgain): isResumeOwed = true
        case (.stopGuest, .suspension): takeBack()
        default: break
        }
        (effects, trouble) = ([], error)
        return .ends
    }

    /// What came of the input, once nothing is left to be performed.
    /// - Throws: why it has not happened, or not as it should.
    public mutating func conclude() throws(LivemigError) {
        defer { (purpose, before, trouble) = (.other, nil, nil) }
        if case .end = purpose { isFinished = true }
        if let trouble { throw trouble }
        if case .last(let isOverruled) = purpose {
            isFinished = true
            self.isOverruled = isOverruled
        }
        if case .moving = work, ownership.right.mayRun, !ownership.right.isUnderWay { work = .none }
    }

    private mutating func takeBack() {
        guard let before else { return }
        (ownership, work, isResumeOwed) = (before.ownership, before.work, before.isResumeOwed)
    }

    /// The right goes back to the source: no instruction of the guest has run here.
    ///
    /// Where the record of that cannot be written, nobody knows which of the two is on the medium:
    /// the copy stays, and does not run.
    private mutating func giveBack(after error: LivemigError) -> Consequence {
        purpose = .other
        trouble = error
        before = Before(ownership: ownership, work: work, isResumeOwed: false)
        do throws(LivemigError) {
            effects = try ownership.handle(.destination(.resumeRefused)).map(Effect.init)[...]
        } catch {
            (effects, trouble) = ([], error)
        }
        return .ends
    }
}

extension GuardianCore.Effect {
    init(_ effect: OwnershipEffect) {
        self =
            switch effect {
            case .record(let right): .record(right)
            case .armDeadline: .armDeadline
            case .disarmDeadline: .disarmDeadline
            case .stopGuest: .stopGuest
            case .resumeGuest: .resumeGuest
            case .destroyGuest: .destroyGuest
            }
    }
}
