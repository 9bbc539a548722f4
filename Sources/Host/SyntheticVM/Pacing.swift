/// A token bucket that keeps a writer at its rate, in bytes of pages a second.
///
/// Time that was missed is caught up by a burst of at most 5 ms worth of pages.
struct Pacing {
    private var due: UInt64

    private static let burst: UInt64 = 5_000_000

    init(now: UInt64) { due = now }

    /// Counts one page written.
    ///
    /// - Parameters:
    ///   - now: a monotonic time in nanoseconds.
    ///   - rate: bytes a second, above zero.
    /// - Returns: when the next page may be written.
    mutating func countPage(now: UInt64, rate: UInt64) -> UInt64 {
        let earliest = now > Self.burst ? now - Self.burst : 0
        let interval = 4096 * 1_000_000_000 / rate
        due = max(due, earliest) &+ interval
        return due
    }
}
