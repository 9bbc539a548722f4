import Glibc
public import LinuxSystem
public import MigrationModel

/// Holds all lanes of a move together below a rate.
public final class BandwidthLimiter: Sendable {
    /// When the next byte may go, by a schedule that never runs ahead of the clock.
    struct Schedule: Sendable {
        let bytesPerSecond: Double
        var free: MonotonicTime

        /// Reserves time for some bytes; returns when they may go.
        mutating func reserve(_ bytes: Int, at now: MonotonicTime) -> MonotonicTime {
            let start = max(now, free)
            free = start + .seconds(Double(bytes) / bytesPerSecond)
            return start
        }
    }

    private let schedule: Monitor<Schedule>?

    /// A limiter for a rate; `nil` limits nothing.
    public init(_ bandwidth: Bandwidth?) {
        schedule = bandwidth.map {
            Monitor(Schedule(bytesPerSecond: Double(max(1, $0.bytesPerSecond)), free: .now))
        }
    }

    /// Reserves the line for some bytes.
    /// - Returns: when they may go.
    public func reserve(_ bytes: Int) -> MonotonicTime {
        guard let schedule else { return .now }
        return schedule.withLock { $0.reserve(bytes, at: .now) }
    }

    /// Waits until some bytes may go.
    public func pass(_ bytes: Int) {
        let wait = (reserve(bytes) - .now).inNanoseconds
        guard wait > 0 else { return }
        var time = timespec(tv_sec: Int(wait / 1_000_000_000), tv_nsec: Int(wait % 1_000_000_000))
        _ = unsafe nanosleep(&time, nil)
    }
}
