import MigrationModel
import Testing

@testable import History

@Suite("Times of day")
struct WallTimeTests {
    private static let now = WallTime(milliseconds: 1_769_860_800_000)

    // Breaks when a document's times are not RFC 3339, or lose their milliseconds.
    @Test(
        "UTC",
        arguments: [
            (1_769_860_800_123, "2026-01-31T12:00:00.123Z"), (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (Int64.max, "?"), (Int64.min, "?"),
        ] as [(Int64, String)])
    func utc(milliseconds: Int64, text: String) {
        #expect(WallTime(milliseconds: milliseconds).rfc3339 == text)
    }

    // Breaks when a time that is shown cannot be given back to `--since`.
    @Test("local times are read as they are shown")
    func local() throws {
        let shown = Self.now.local
        #expect(shown.count == 26)
        #expect(try WallTime(parsing: shown) == Self.now)
        #expect(try WallTime(parsing: String(shown.prefix(19))) == Self.now)
    }

    // Breaks when a way to write a time is not understood, or is taken for another.
    @Test(
        "times are read",
        arguments: [
            ("2026-01-31T12:00:00Z", 0), ("2026-01-31T12:00:00.75Z", 0),
            ("2026-01-31 12:00Z", 0), ("2026-01-31T13:00:00+01:00", 0),
            ("2026-01-31 06:30 -0530", 0), ("90s", 90), ("2h", 7200), ("7d", 604_800),
        ] as [(String, Int64)])
    func parsing(text: String, ago: Int64) throws {
        let time = try WallTime(parsing: text, now: Self.now)
        #expect(time.milliseconds == Self.now.milliseconds - ago * 1000)
    }

    // Breaks when a text that is no time chooses moves all the same.
    @Test(
        "what is no time is refused",
        arguments: [
            "", "yesterday", "2026-02-30", "2026-01-31T25:00:00Z", "2026-01-31x", "7", "-1h",
            "2026-01-31T12:00:00Z and more", "99999-01-01",
        ])
    func refused(text: String) {
        let error = #expect(throws: LivemigError.self) { try WallTime(parsing: text) }
        #expect(error?.code == .usage)
    }

    // Breaks when a day of a leap year, or the last of a year, is taken for another.
    @Test("every day of 800 years is the one after the day before")
    func calendar() throws {
        var day = try #require(CalendarTime(year: 1600, month: 1, day: 1))
        while day.year < 2400 {
            let next = try #require(CalendarTime(seconds: day.seconds + 86_400))
            let isSameMonth = next.month == day.month && next.day == day.day + 1
            let isNextMonth = next.month == day.month + 1 && next.day == 1
            let isNextYear = next.year == day.year + 1 && next.month == 1 && next.day == 1
            try #require(isSameMonth || isNextMonth || isNextYear && day.day == 31, "\(day)")
            try #require(next.seconds == day.seconds + 86_400)
            day = next
        }
        #expect(CalendarTime(year: 1900, month: 2, day: 29) == nil)
        #expect(CalendarTime(year: 2000, month: 2, day: 29) != nil)
        #expect(CalendarTime(seconds: CalendarTime.range.lowerBound)?.date == "0000-01-01")
        #expect(CalendarTime(seconds: CalendarTime.range.upperBound - 1)?.date == "9999-12-31")
    }

    // Breaks when a time long ago ends the program.
    @Test("times end at the first and the last")
    func limits() {
        let first = WallTime(milliseconds: .min)
        #expect(first - .seconds(1) == first)
        let last = WallTime(milliseconds: .max)
        #expect(last + .seconds(Int64.max) == last)
    }
}
