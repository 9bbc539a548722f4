import MigrationModel
import Testing

@Suite("Clock readings")
struct ClockReadingTests {
    // Breaks when the time that an answer takes passes for a difference between clocks: the host
    // may have read its clock at either end of it.
    @Test(arguments: [0, 1_500, 3_000])
    func slowAnswersAreNoDifference(readAfter: UInt64) {
        let clock = ClockReading(10_000 + readAfter, asked: 10_000, took: .seconds(3))
        #expect(clock.uncertainty == .milliseconds(1_500))
        #expect(!clock.exceeds(.zero))
    }

    // Breaks when a difference is hidden by an answer that was slow, or two slow answers count as
    // one.
    @Test func whatIsBeyondDoubtIsSeen() {
        let late = ClockReading(5_000, asked: 10_000, took: .seconds(3))
        #expect(late.offset == .milliseconds(-6_500))
        #expect(late.exceeds(.seconds(4)) && !late.exceeds(.seconds(5)))
        let other = ClockReading(10_000, asked: 10_000, took: .seconds(1))
        let difference = late.ahead(of: other)
        #expect(difference.offset == .seconds(-6))
        #expect(difference.uncertainty == .seconds(2))
        #expect(difference.size == .seconds(6))
    }

    // Breaks when a host's nonsense ends the program.
    @Test func anyReadingIsTaken() {
        let end = ClockReading(.max, asked: 0, took: .seconds(-1))
        #expect(end.exceeds(.seconds(2)) && end.uncertainty == .zero)
        #expect(ClockReading(0, asked: .max, took: .zero).exceeds(.seconds(2)))
    }
}
