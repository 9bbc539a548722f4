import FoundationEssentials
import Glibc

/// A point on the wall clock: milliseconds since 1970 in UTC, without leap seconds (POSIX).
public struct WallTime: Hashable, Comparable, Sendable {
    /// The milliseconds since 1970.
    public let milliseconds: Int64

    /// Wraps a number of milliseconds since 1970.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The time now, as this machine has it.
    public static var now: WallTime {
        WallTime(milliseconds: Int64((Date.now.timeIntervalSince1970 * 1000).rounded(.down)))
    }

    /// Earlier points order first.
    public static func < (left: WallTime, right: WallTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// The point a while later, at most the last one that can be written.
    public static func + (time: WallTime, duration: Duration) -> WallTime {
        let (sum, isBeyond) = time.milliseconds.addingReportingOverflow(whole(duration))
        return WallTime(milliseconds: isBeyond ? .max : sum)
    }

    /// The point a while earlier, at least the first one that can be written.
    public static func - (time: WallTime, duration: Duration) -> WallTime {
        let (rest, isBeyond) = time.milliseconds.subtractingReportingOverflow(whole(duration))
        return WallTime(milliseconds: isBeyond ? .min : rest)
    }

    private static func whole(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        let (product, isBeyond) = seconds.multipliedReportingOverflow(by: 1000)
        guard !isBeyond else { return seconds < 0 ? .min : .max }
        let (sum, isOver) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return isOver ? product : sum
    }
}

extension WallTime {
    /// In UTC, such as `2026-01-31T12:00:00.123Z` (RFC 3339); `?` where the year has not four
    /// digits.
    public var rfc3339: String {
        let rest = milliseconds % 1000
        guard let time = CalendarTime(seconds: seconds) else { return "?" }
        return "\(time.date)T\(time.time).\((rest < 0 ? rest + 1000 : rest).digits(3))Z"
    }

    /// In the zone of this process, such as `2026-01-31 13:00:00 +01:00`.
    public var local: String {
        let offset = Self.localOffset(at: seconds)
        guard let time = CalendarTime(seconds: seconds &+ offset) else { return "?" }
        let minutes = offset.magnitude / 60
        let zone = "\(Int64(minutes / 60).digits(2)):\(Int64(minutes % 60).digits(2))"
        return "\(time.date) \(time.time) \(offset < 0 ? "-" : "+")\(zone)"
    }

    private var seconds: Int64 {
        milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0)
    }

    /// By how many seconds local time is ahead of UTC.
    static func localOffset(at seconds: Int64) -> Int64 {
        var clock = time_t(seconds)
        var parts = unsafe tm()
        guard unsafe localtime_r(&clock, &parts) != nil else { return 0 }
        return unsafe Int64(parts.tm_gmtoff)
    }
}

/// A date and a time of day in the Gregorian calendar, in whatever zone.
struct CalendarTime: Hashable {
    var year: Int64
    var month: Int64
    var day: Int64
    var hour: Int64 = 0
    var minute: Int64 = 0
    var second: Int64 = 0

    /// The seconds since 1970 of the years 0 to 9999.
    static let range: Range<Int64> = -62_167_219_200..<253_402_300_800

    /// The date of a number of seconds since 1970; `nil` outside `range`.
    init?(seconds: Int64) {
        guard Self.range.contains(seconds) else { return nil }
        // Years are counted from March, so that the leap day is the last of a year, and days from
        // 1 March of year 0, which is 719,468 days before 1970.
        let days = (seconds - Self.range.lowerBound) / 86_400 - 60 + 146_097
        let (era, dayOfEra) = days.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + (era - 1) * 400 + (month <= 2 ? 1 : 0)
        let rest = (seconds - Self.range.lowerBound) % 86_400
        (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60)
    }

    /// A date and a time of day; `nil` for one that does not exist.
    init?(
        year: Int64, month: Int64, day: Int64, hour: Int64 = 0, minute: Int64 = 0,
        second: Int64 = 0
    ) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
        // A date that does not exist is another one when it is read back.
        guard (0...9999).contains(year), (1...12).contains(month), (1...31).contains(day),
            CalendarTime(seconds: seconds) == self
        else { return nil }
    }

    /// The seconds since 1970.
    var seconds: Int64 {
        let fromMarch = (month + 9) % 12
        let yearFromMarch = year - (month <= 2 ? 1 : 0) + 400
        let days =
            365 * yearFromMarch + yearFromMarch / 4 - yearFromMarch / 100 + yearFromMarch / 400
            + (153 * fromMarch + 2) / 5 + day - 1
        return (days + 60 - 146_097) * 86_400 + Self.range.lowerBound + hour * 3600 + minute * 60
            + second
    }

    /// Such as `2026-01-31`.
    var date: String { "\(year.digits(4))-\(month.digits(2))-\(day.digits(2))" }

    /// Such as `12:00:00`.
    var time: String { "\(hour.digits(2)):\(minute.digits(2)):\(second.digits(2))" }
}

extension Int64 {
    /// The number with at least so many digits.
    fileprivate func digits(_ count: Int) -> String {
        let text = String(self)
        return String(repeating: "0", count: Swift.max(0, count - text.count)) + text
    }
}
