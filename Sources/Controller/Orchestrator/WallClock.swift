import Glibc
import MigrationModel

/// The time of day, for comparing hosts' clocks and nothing else.
enum WallClock {
    /// Milliseconds since 1970.
    static var now: UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }

    /// How far a host's clock is ahead of this machine's: it was read in the middle of the request,
    /// as far as can be known.
    ///
    /// - Parameters:
    ///   - reading: what the host said, any number.
    ///   - asked: when it was asked, by this machine's clock.
    ///   - answered: when the answer had come.
    static func offset(of reading: UInt64, asked: UInt64, answered: UInt64) -> Duration {
        let middle = asked / 2 + answered / 2
        return .milliseconds(
            reading >= middle
                ? Int64(clamping: reading - middle) : 0 - Int64(clamping: middle - reading))
    }
}
