/// What a host's record of one VM holds.
public struct OwnershipRecord: Hashable, Sendable {
    /// The VM.
    public var uuid: VMUUID
    /// The right to run it.
    public var right: Right
    /// The other host's name and key fingerprint, for people; empty when there is none.
    public var peer: String
    /// The wall-clock time of writing in seconds since 1970, for people; nothing depends on it.
    public var time: UInt64

    /// The most bytes of `peer`.
    public static let peerLimit = 512

    /// States a record.
    public init(uuid: VMUUID, right: Right, peer: String, time: UInt64) {
        self.uuid = uuid
        self.right = right
        self.peer = peer
        self.time = time
    }
}
