public import MigrationModel
import Synchronization

/// When something last moved on any of several connections that share one path.
///
/// On a slow path one connection may have no turn for long while others go on: silence of a single
/// one says nothing, silence of all does.
public final class Activity: Sendable {
    private let latest: Atomic<UInt64>
    private let isDraining = Atomic(false)

    /// How long silence may last while buffers on the way empty themselves, unseen from here: the
    /// largest send buffer of Linux (4 MiB, tcp(7)) at 1 Mbit/s.
    public static let drainLimit: Duration = .seconds(34)

    /// Begins with something that moves.
    public init() { latest = Atomic(MonotonicTime.now.nanoseconds) }

    /// Something has moved.
    public func note() { latest.store(MonotonicTime.now.nanoseconds, ordering: .relaxed) }

    /// Everything is sent and not yet placed; until it is, more silence is in order.
    public func drain<Value>(_ body: () throws(LivemigError) -> Value) throws(LivemigError) -> Value
    {
        note()
        isDraining.store(true, ordering: .relaxed)
        defer {
            note()
            isDraining.store(false, ordering: .relaxed)
        }
        return try body()
    }

    /// The longest silence accepted now: more while buffers empty themselves.
    /// - Parameter limit: the longest silence accepted otherwise.
    public func extended(_ limit: Duration) -> Duration {
        isDraining.load(ordering: .relaxed) ? max(limit, Self.drainLimit) : limit
    }

    /// How much longer all may be silent; `nil` when that is over.
    /// - Parameter limit: the longest silence accepted.
    public func remaining(of limit: Duration) -> Duration? {
        let last = MonotonicTime(nanoseconds: latest.load(ordering: .relaxed))
        let left = extended(limit) - last.elapsed
        return left > .zero ? left : nil
    }
}

/// How a connection takes part in the silence of several.
public struct SharedSilence: Hashable, Sendable {
    /// What moves on all of them.
    public let activity: Activity
    /// Whether what moves on this one counts; else it is only excused by the others.
    public let contributes: Bool

    /// States a part.
    public init(_ activity: Activity, contributes: Bool) {
        self.activity = activity
        self.contributes = contributes
    }

    /// Something has moved on this connection.
    public func note() { if contributes { activity.note() } }

    /// Two parts in the silence of the same connections.
    public static func == (one: SharedSilence, other: SharedSilence) -> Bool {
        one.activity === other.activity && one.contributes == other.contributes
    }

    /// Hashes which connections they are.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(activity))
        hasher.combine(contributes)
    }
}
