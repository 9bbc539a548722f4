import MigrationModel

/// Asks a source to try what a move does first: to open a connection to the destination, as it sees
/// it, and to send on it; answered by `Inspection`.
///
/// | field | type |
/// | --- | --- |
/// | peer | as in `MeasureGuest` |
/// | identity | text, 64: the destination's own, so that another host is not taken for it |
public struct ProbePath: WireMessage, Hashable {
    public static let type = FrameType.probePath
    /// Where the destination is.
    public let peer: StartOutgoing.Peer
    /// The destination's identity, as it says itself.
    public let identity: String

    /// Names a destination.
    public init(peer: StartOutgoing.Peer, identity: String) {
        self.peer = peer
        self.identity = identity
    }

    public func encode(into writer: inout WireWriter) {
        writer.peer(peer)
        writer.text(identity, limit: WireLimits.word)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        peer = try reader.peer()
        identity = try reader.text(limit: WireLimits.word)
    }
}
