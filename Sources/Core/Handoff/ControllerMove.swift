public import MigrationModel

/// The controller's part of a move from the source's start on, as a pure state machine: what both
/// agents say goes in, what to do comes out.
public struct ControllerMove: Sendable {
    /// Whose agent speaks.
    public enum Side: Hashable, Sendable {
        case source, destination
    }

    /// What an agent says of a move.
    public enum Message: Sendable {
        /// The source has begun a phase.
        case phase(MovePhase)
        /// The source has ended a round.
        case round(RoundReport)
        /// How far the source is in a round.
        case progress(RoundProgress)
        /// The guest is on the destination.
        case moved(MigrationReport)
        /// The agent's part has ended without that.
        case failed(LivemigError)
        /// Changes nothing, whenever it comes.
        case note(Finding)
    }

    /// What happens at the controller.
    public enum Input: Sendable {
        /// An agent has spoken.
        case message(Side, Message)
        /// The connection to an agent has ended.
        case lost(Side, LivemigError)
        /// A lane that the controller relays has ended with an error.
        case relayFailed(LivemigError)
        /// The operator wants to stop.
        case interrupt
        /// The time that was set last is over.
        case deadline(Int)
    }

    /// What the operator is to see.
    public enum Sight: Sendable {
        /// The source has begun a phase.
        case phase(MovePhase)
        /// The source has ended a round.
        case round(RoundReport)
        /// How far the source is in a round.
        case progress(RoundProgress)
        /// What the operator did or should know, as a sentence.
        case note(String)
    }

    /// How a move ends, as far as the controller has heard.
    public enum Ending: Sendable {
        /// The guest is on the destination; what is left to clean up, if anything, is the error.
        case moved(MigrationReport, incomplete: LivemigError?)
        /// The guest was not moved, or nobody knows.
        case failed(LivemigError)
    }

    /// What each side said was wrong while the hosts made the move.
    public struct SideErrors: Hashable, Sendable {
        /// The source's word, or that it could not be heard any more.
        public var source: LivemigError?
        /// The destination's word.
        public var destination: LivemigError?

        /// States what each side said.
        public init(source: LivemigError? = nil, destination: LivemigError? = nil) {
            self.source = source
            self.destination = destination
        }
    }

    /// What to do.
    public enum Effect: Sendable {
        /// Show something.
        case show(Sight)
        /// Ask the source to give the move up.
        case sendCancel
        /// Comes back as `deadline` with the number, which is of no use once there is a newer one.
        case wake(after: Duration, number: Int)
        /// Stop listening: the move is over.
        case end(Ending)
    }

    private let source: HostName
    private let destination: HostName
    private let verification: MigrationPolicy.Verification
    private var isCommitted = false
    private var hasAskedToCancel = false
    private var hasInterrupted = false
    private var sourceError: LivemigError?
    private var destinationError: LivemigError?
    private var relayError: LivemigError?
    private var deadlines = 0
    private var isOver = false

    /// Begins to listen; the source has been told to start.
    public init(
        source: HostName, destination: HostName, verification: MigrationPolicy.Verification
    ) {
        self.source = source
        self.destination = destination
        self.verification = verification
    }

    /// Takes in what has happened.
    public mutating func handle(_ input: Input) -> [Effect] {
        guard !isOver else { return [] }
        let effects =
            switch input {
            case .message(.source, let message): fromSource(message)
            case .message(.destination, let message): fromDestination(message)
            case .lost(.source, let error): sourceLost(error)
            case .lost(.destination, let error): destinationLost(error)
            case .relayFailed(let error): relayBroke(error)
            case .interrupt: interrupted()
            case .deadline(let number): number == deadlines ? timeOver() : []
            }
        if effects.contains(where: { if case .end = $0 { true } else { false } }) { isOver = true }
        return effects
    }

    /// What each side has said was wrong.
    public var sides: SideErrors { .init(source: sourceError, destination: destinationError) }

    // MARK: Source

    private mutating func fromSource(_ message: Message) -> [Effect] {
        switch message {
        case .phase(let phase):
            if phase == .committed { isCommitted = true }
            return [.show(.phase(phase))]
        case .round(let round): return [.show(.round(round))]
        case .note: return []
        case .progress(let progress): return [.show(.progress(progress))]
        case .moved(let report):
            return [.end(.moved(report, incomplete: incomplete(report)))]
        case .failed(let error):
            sourceError = advised(error)
            let isExplained = [destinationError, relayError].contains { $0 != nil }
            // The destination itself says what happened to its hypervisor, for the history.
            let isSecondHand = Self.isConsequence(error) || error.code == .destinationQEMU
            guard isSecondHand, !isExplained else { return [conclusion] }
            return [wake(HandoffLimits.reason)]
        }
    }

    private mutating func sourceLost(_ error: LivemigError) -> [Effect] {
        guard sourceError == nil else { return [] }
        sourceError = advised(error)
        if destinationError != nil { return [conclusion] }
        return [
            .show(.note("\(source) cannot be heard any more; waiting for \(destination)")),
            wake(HandoffLimits.finish),
        ]
    }

    // MARK: Destination

    private mutating func fromDestination(_ message: Message) -> [Effect] {
        switch message {
        case .phase, .round, .progress, .note: return []
        case .moved(let report):
            isCommitted = true
            guard sourceError != nil else { return [] }
            let error = cleanup("it cannot be asked whether its copy is gone")
            return [.end(.moved(report, incomplete: error))]
        case .failed(let error):
            destinationError = advised(error)
            if sourceError != nil { return [conclusion] }
            return [wake(HandoffLimits.notice)]
        }
    }

    /// The data lanes do not need the controller: only the source can tell how the move ends.
    private mutating func destinationLost(_ error: LivemigError) -> [Effect] {
        guard destinationError == nil, sourceError == nil else { return [] }
        return [.show(.note("\(destination) cannot be heard any more; \(source) goes on"))]
    }

    // MARK: Controller

    private mutating func relayBroke(_ error: LivemigError) -> [Effect] {
        guard relayError == nil else { return [] }
        relayError = error
        return [sourceError == nil ? wake(HandoffLimits.notice) : conclusion]
    }

    private mutating func interrupted() -> [Effect] {
        if isCommitted {
            guard hasInterrupted else {
                hasInterrupted = true
                return [
                    .show(
                        .note("already committed; finishing (press again to leave it to the hosts)")
                    )
                ]
            }
            let error = LivemigError(
                .cleanup, "left after the commit; \(destination) owns the guest",
                at: "\(source) and \(destination)",
                fix: "livemig status says when the hosts are done")
            return [.end(.failed(error))]
        }
        hasInterrupted = true
        guard !hasAskedToCancel else {
            return [.show(.note("waiting for \(source) to give up"))]
        }
        hasAskedToCancel = true
        return [.show(.note("cancelling…")), .sendCancel]
    }

    private mutating func timeOver() -> [Effect] {
        guard sourceError == nil, !hasAskedToCancel, !isCommitted else { return [conclusion] }
        hasAskedToCancel = true
        return [.sendCancel, wake(HandoffLimits.finish)]
    }

    private mutating func wake(_ after: Duration) -> Effect {
        deadlines += 1
        return .wake(after: after, number: deadlines)
    }

    // MARK: Result

    /// The error nearest to the cause: the source's, which carries the peer's reason, unless it
    /// only noticed that a connection broke and somebody else knows why.
    private var conclusion: Effect {
        let others = [destinationError, relayError].compactMap { $0 }
        guard let own = sourceError else {
            return .end(
                .failed(others.first { !Self.isConsequence($0) } ?? others.first ?? silence))
        }
        // A destination that was told to give up has no reason of its own.
        let cause = others.first { !Self.isConsequence($0) && $0.code != .cancelled }
        guard Self.isConsequence(own), var cause else { return .end(.failed(own)) }
        cause.guest = own.guest ?? cause.guest
        return .end(.failed(cause))
    }

    /// What to do, where only somebody who knows both hosts' names can say it.
    private func advised(_ error: LivemigError) -> LivemigError {
        var error = error
        if error.code == .authentication {
            error.fix = "run livemig host trust \(source) \(destination)"
        } else if error.fix.isEmpty, Self.isConsequence(error) {
            error.fix = advice(for: error.code)
        }
        return error
    }

    /// Silence tells nothing of its cause, which on hosts that are being emptied is mostly load.
    private func advice(for code: ErrorCode) -> String {
        switch code {
        case .stall:
            "\(source), \(destination) or the path between them is overloaded or down: move again "
                + "later, or fewer guests at once (host settings --live-moves)"
        case .blackout:
            "\(source), \(destination) or the path between them is too slow for a switchover now: "
                + "move again when they have less to do"
        default:
            "move again; if it breaks again, see the logs of sshd on \(source) and \(destination)"
        }
    }

    /// What a report says that is not as it should be; the worst of it.
    private func incomplete(_ report: MigrationReport) -> LivemigError? {
        guard report.differing.isEmpty else {
            return LivemigError(
                .verify, "the audit found that memory is not the same: \(report.differing)",
                at: "\(source) and \(destination), after the commit",
                fix: "the guest cannot go back; restart it, or restore it from a backup")
        }
        guard report.sourceIsClean else { return cleanup("the copy on it is left over") }
        guard report.verified == verification else {
            return LivemigError(
                .cleanup,
                "the guest runs on \(destination), but the \(verification.word) was not finished",
                at: source.text,
                fix: "its memory was compared before the commit; see the agent's log")
        }
        return nil
    }

    private var silence: LivemigError {
        LivemigError(
            .stall, "no result from \(source)", at: source.text, fix: advice(for: .stall))
    }

    private func cleanup(_ why: String) -> LivemigError {
        LivemigError(
            .cleanup, "the guest runs on \(destination), but \(why)", at: source.text,
            fix: "livemig status shows what is left")
    }

    /// Whether an error says only that somebody else stopped talking, or has given up.
    public static func isConsequence(_ error: LivemigError) -> Bool {
        switch error.code {
        case .disconnected, .stall, .blackout, .connectDropped, .migrationID: true
        default: false
        }
    }
}
