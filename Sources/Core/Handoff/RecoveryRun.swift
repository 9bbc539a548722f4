public import MigrationModel

/// A recovery of one VM, from what hosts say of it to its last step, as a pure state machine.
///
/// One step at a time, in order: a later step relies on those before, so the first failure is the
/// end. Every step can be repeated, and another recovery begins with what hosts say then.
public struct RecoveryRun: Sendable {
    /// What became of the step that was asked for.
    public enum Input: Sendable {
        /// The host has done it.
        case done
        /// It has not, or nobody knows.
        case failed(LivemigError)
    }

    /// What to do next.
    public enum Effect: Sendable {
        /// Have a host take a step; what becomes of it comes back.
        case perform(RecoveryStep, on: HostName)
        /// Nothing more, and why not where something remains.
        case end(LivemigError?)
    }

    private enum State {
        case idle
        case performing
        case over
    }

    /// The steps that were taken, in order.
    public private(set) var done: [(host: HostName, step: RecoveryStep)] = []
    private var remaining: ArraySlice<(host: HostName, step: RecoveryStep)>
    private var state = State.idle

    /// Plans a recovery.
    ///
    /// - Parameters:
    ///   - location: what hosts say of the VM.
    ///   - decision: what the operator decides; `nil` to go by the records alone.
    /// - Throws: `E-USAGE` or `E-VMSTATE` for a decision that does not fit what hosts say.
    public init(of location: VMLocation, _ decision: RecoveryDecision?) throws(LivemigError) {
        remaining = try location.steps(by: decision)[...]
    }

    /// Asks for the first step.
    public mutating func begin() -> Effect {
        guard case .idle = state else { return .end(nil) }
        return next()
    }

    /// Takes in what became of a step, and asks for the next one.
    public mutating func handle(_ input: Input) -> Effect {
        guard case .performing = state, let step = remaining.popFirst() else { return .end(nil) }
        switch input {
        case .done:
            done.append(step)
            return next()
        case .failed(let error):
            state = .over
            return .end(error)
        }
    }

    private mutating func next() -> Effect {
        guard let step = remaining.first else {
            state = .over
            return .end(nil)
        }
        state = .performing
        return .perform(step.step, on: step.host)
    }
}
