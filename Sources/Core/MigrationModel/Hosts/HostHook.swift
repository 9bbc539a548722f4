/// An executable of a host's operator that its agent runs before or after something; the raw value
/// is its file's name.
public enum HostHook: String, Hashable, Sendable, CaseIterable {
    /// Before a move is begun on a host; may refuse it.
    case preMove = "pre-move"
    /// After a move has ended on a host, however it did.
    case postMove = "post-move"
    /// Before a host is drained; may refuse that.
    case preDrain = "pre-drain"
    /// After a drain of the host, however it ended.
    case postDrain = "post-drain"

    /// How long a hook may run until it is killed with all that it has started.
    public static let limit: Duration = .seconds(60)

    /// Whether it runs before something, and may refuse it.
    public var mayRefuse: Bool { self == .preMove || self == .preDrain }
}
