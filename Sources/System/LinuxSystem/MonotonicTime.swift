import Glibc

#if canImport(Glibc)
#endif

/// A point on this machine's `CLOCK_MONOTONIC`, which no wall-clock change moves.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since an arbitrary point in the past, on this machine only.
    public let nanoseconds: UInt64

    /// Wraps a reading, such as one that a peer sent.
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The time now.
    public static var now: MonotonicTime {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(
            nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    /// Earlier points order first.
    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The time from the second point to the first, negative when it lies before.
    public static func - (later: MonotonicTime, earlier: MonotonicTime) -> Duration {
        .nanoseconds(Int64(bitPattern: later.nanoseconds &- earlier.nanoseconds))
    }

    /// The point a while later.
    public static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        MonotonicTime(nanoseconds: time.nanoseconds &+ UInt64(bitPattern: duration.inNanoseconds))
    }

    /// How long ago this point was.
    public var elapsed: Duration { MonotonicTime.now - self }
}

extension Duration {
    /// The whole nanoseconds, cut off at ±292 years.
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, isBeyond) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isBeyond ? (seconds < 0 ? .min : .max) : sum
    }
}
