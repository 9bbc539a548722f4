public import MigrationModel

/// What a destination's worker does with the copy when its part in a move ends with an error.
public enum Farewell: Hashable, Sendable {
    /// The copy stays: the guest is this host's, or may become so.
    case keep
    /// The attempt is given up. The source hears of it only once the guardian has made it durable:
    /// a source that hears of a refusal lets the guest run.
    case discard

    /// Decides.
    /// - Parameters:
    ///   - error: why the worker ends.
    ///   - isOwner: whether the guardian has said that the guest is this host's.
    ///   - isReady: whether the guardian has said that the copy is whole.
    public init(after error: LivemigError, isOwner: Bool, isReady: Bool) {
        let isSourceGone = error.code == .disconnected || error.code == .stall
        self = isOwner || isReady && isSourceGone ? .keep : .discard
    }
}
