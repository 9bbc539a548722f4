import LinuxSystem

/// How long a session may take to get rid of what it has.
///
/// Bytes that the peer's kernel acknowledges count as well as those that the socket takes: a large
/// send buffer on a slow path takes none for a long while. So do other connections on the path.
struct WritePatience {
    private let stall: Duration
    private let shared: SharedSilence?
    private var sent: UInt64
    private var acknowledged: UInt64
    private var deadline: MonotonicTime

    /// How often acknowledgements are looked at.
    private static let look: Duration = .seconds(1)

    /// Begins now.
    init(_ session: SessionHandle) {
        stall = session.endpoint.stallTimeout
        shared = session.endpoint.silence
        sent = session.sentBytes
        acknowledged = session.acknowledgedBytes
        deadline = .now + stall
    }

    /// When to look next.
    var next: MonotonicTime { min(deadline, .now + Self.look) }

    /// Takes in what has moved without looking at acknowledgements.
    mutating func note(_ session: SessionHandle) {
        guard session.sentBytes != sent else { return }
        sent = session.sentBytes
        renew()
    }

    /// Whether nothing has moved for too long.
    mutating func isOver(_ session: SessionHandle) -> Bool {
        note(session)
        let acknowledged = session.acknowledgedBytes
        if acknowledged != self.acknowledged {
            self.acknowledged = acknowledged
            renew()
        }
        guard deadline <= .now else { return false }
        guard let more = shared?.activity.remaining(of: stall) else { return true }
        deadline = .now + more
        return false
    }

    private mutating func renew() {
        deadline = .now + stall
        shared?.note()
    }
}
