import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import MigrationEngine

@Suite("The limit on bandwidth")
struct BandwidthTests {
    // Broken by: a lane that gets ahead of the rate, or time that is saved up while idle.
    @Test func theSchedule() {
        let start = MonotonicTime(nanoseconds: 1_000_000_000)
        var schedule = BandwidthLimiter.Schedule(bytesPerSecond: 1000, free: start)
        #expect(schedule.reserve(500, at: start) == start)
        #expect(schedule.reserve(500, at: start) == start + .milliseconds(500))
        #expect(schedule.reserve(1, at: start) == start + .seconds(1))
        let later = start + .seconds(10)
        #expect(schedule.reserve(1000, at: later) == later, "idle time is not saved up")
        #expect(schedule.reserve(0, at: later) == later + .seconds(1))
    }

    // Broken by: a sum over many small pieces that drifts away from the rate.
    @Test func manySmallPieces() {
        let start = MonotonicTime(nanoseconds: 1)
        var schedule = BandwidthLimiter.Schedule(bytesPerSecond: 125e6, free: start)
        for _ in 0..<100_000 { _ = schedule.reserve(1250, at: start) }
        let total = schedule.reserve(0, at: start) - start
        #expect(total > .milliseconds(999) && total < .milliseconds(1001))
    }

    // Broken by: a limiter that waits for nothing, or not at all.
    @Test func passing() throws {
        try within(.seconds(10)) {
            let start = MonotonicTime.now
            let free = BandwidthLimiter(nil)
            for _ in 0..<1000 { free.pass(1 << 30) }
            #expect(start.elapsed < .seconds(1))
            let limited = BandwidthLimiter(Bandwidth(bytesPerSecond: 1_000_000))
            for _ in 0..<6 { limited.pass(10_000) }
            #expect(start.elapsed >= .milliseconds(50))
        }
    }
}
