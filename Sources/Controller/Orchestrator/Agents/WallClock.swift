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
}
