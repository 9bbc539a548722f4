public import MigrationModel

extension WallTime {
    /// Reads a time as operators write it.
    ///
    /// Either how long ago it was (`30m`, `2h`, `7d`), or a date with or without a time of day,
    /// local or with its offset: `2026-01-31`, `2026-01-31 12:00`, `2026-01-31T11:00:00.5Z`.
    /// - Parameters:
    ///   - text: the text.
    ///   - now: what a while ago is counted from.
    /// - Throws: `E-USAGE` with the escaped text.
    public init(parsing text: String, now: WallTime = .now) throws(LivemigError) {
        if let ago = Self.days(of: text) ?? (try? Duration(parsing: text)) {
            self = now - ago
            return
        }
        guard let seconds = Self.seconds(of: text) else {
            throw LivemigError(
                .usage, "not a time: \(text.escaped())",
                fix: "write 2h, 7d, 2026-01-31, or 2026-01-31T12:00:00Z")
        }
        self.init(milliseconds: seconds * 1000)
    }

    /// Whole days, such as `7d`.
    private static func days(of text: String) -> Duration? {
        guard let digits = text.wholeMatch(of: /([0-9]{1,5})d/)?.output.1 else { return nil }
        return Int64(digits).map { .seconds($0 * 86_400) }
    }

    /// The seconds since 1970 of a date.
    private static func seconds(of text: String) -> Int64? {
        let form =
            /([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?)?(?: ?(Z|[-+][0-9]{2}:?[0-9]{2}))?/
        guard let parts = text.wholeMatch(of: form)?.output else { return nil }
        func number(_ digits: Substring?) -> Int64 { digits.flatMap { Int64($0) } ?? 0 }
        let time = CalendarTime(
            year: number(parts.1), month: number(parts.2), day: number(parts.3),
            hour: number(parts.4), minute: number(parts.5), second: number(parts.6))
        guard let seconds = time?.seconds else { return nil }
        guard let zone = parts.7 else {
            // The offset is that of the time itself, which is not known before it.
            let near = seconds - localOffset(at: seconds)
            return seconds - localOffset(at: near)
        }
        guard let offset = offset(of: zone) else { return nil }
        return seconds - offset
    }

    /// The seconds of `Z`, `+01:00` or `-0530`.
    private static func offset(of zone: Substring) -> Int64? {
        guard zone != "Z" else { return 0 }
        let digits = zone.filter { $0.isNumber }
        guard let hours = Int64(digits.prefix(2)), let minutes = Int64(digits.suffix(2)),
            hours < 24, minutes < 60
        else { return nil }
        return (hours * 3600 + minutes * 60) * (zone.hasPrefix("-") ? -1 : 1)
    }
}
