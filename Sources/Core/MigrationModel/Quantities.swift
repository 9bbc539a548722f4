/// A number of bytes; parsed with a mandatory unit and printed in binary units.
public struct ByteCount: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number of bytes.
    public let bytes: UInt64

    /// Wraps a number of bytes.
    public init(_ bytes: UInt64) { self.bytes = bytes }

    /// Reads such text as `64MiB`, `1.5 GiB` or `4096B`: a decimal number and a unit.
    /// - Throws: `E-SIZE` without a unit, below zero or beyond 2⁶³.
    public init(parsing text: String) throws(LivemigError) {
        let value = try Quantity.parse(text, units: Quantity.byteUnits, example: "512MiB")
        self.init(value)
    }

    /// A number of mebibytes.
    public static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 20) }

    /// Smaller sizes order first.
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    /// At most four significant digits and a binary unit, such as `1.3 GiB`.
    public var description: String {
        Quantity.scaled(Double(bytes), by: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
    }
}

/// A rate of transfer; parsed with a mandatory unit and printed in binary units a second.
public struct Bandwidth: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The rate in bytes a second.
    public let bytesPerSecond: UInt64

    /// Wraps a rate in bytes a second.
    public init(bytesPerSecond: UInt64) { self.bytesPerSecond = bytesPerSecond }

    /// Reads such text as `1Gbit`, `100Mbit`, `50MiB/s` or `50MB/s`.
    /// - Throws: `E-SIZE` without a unit, below zero or beyond 2⁶³.
    public init(parsing text: String) throws(LivemigError) {
        let value = try Quantity.parse(text, units: Quantity.rateUnits, example: "1Gbit")
        guard value > 0 else {
            throw LivemigError(.size, "bandwidth must be above zero, got \(text.escaped())")
        }
        self.init(bytesPerSecond: value)
    }

    /// Slower rates order first.
    public static func < (left: Bandwidth, right: Bandwidth) -> Bool {
        left.bytesPerSecond < right.bytesPerSecond
    }

    /// Such as `111 MiB/s`.
    public var description: String { ByteCount(bytesPerSecond).description + "/s" }
}

extension Duration {
    /// Reads such text as `300ms`, `30s`, `5m` or `2h`.
    /// - Throws: `E-SIZE` without a unit, `E-RANGE` when not above zero.
    public init(parsing text: String) throws(LivemigError) {
        let nanoseconds = try Quantity.parse(text, units: Quantity.timeUnits, example: "300ms")
        guard nanoseconds > 0 else {
            throw LivemigError(.range, "a time must be above zero, got \(text.escaped())")
        }
        self = .nanoseconds(Int64(nanoseconds))
    }

    /// The duration in milliseconds, with fraction.
    public var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }

    /// The duration in seconds, with fraction.
    public var seconds: Double { milliseconds / 1e3 }

    /// Such as `24 ms`, `3.6 s` or `12 min`.
    public var brief: String {
        let value = milliseconds
        if value < 10 { return Quantity.number(value, digits: 1) + " ms" }
        if value < 1000 { return Quantity.number(value, digits: 0) + " ms" }
        if value < 120_000 { return Quantity.number(value / 1e3, digits: 1) + " s" }
        return Quantity.number(value / 60_000, digits: 0) + " min"
    }
}

/// Parsing and printing of numbers with units.
enum Quantity {
    static let byteUnits: [String: Double] = [
        "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1024, "MiB": 1_048_576,
        "GiB": 1_073_741_824, "TiB": 1_099_511_627_776, "K": 1024, "M": 1_048_576,
        "G": 1_073_741_824, "T": 1_099_511_627_776,
    ]

    static let rateUnits: [String: Double] = [
        "bit": 0.125, "Kbit": 125, "Mbit": 125e3, "Gbit": 125e6, "B/s": 1, "KB/s": 1e3,
        "MB/s": 1e6, "GB/s": 1e9, "KiB/s": 1024, "MiB/s": 1_048_576, "GiB/s": 1_073_741_824,
    ]

    /// In nanoseconds.
    static let timeUnits: [String: Double] = [
        "ms": 1e6, "s": 1e9, "m": 6e10, "min": 6e10, "h": 3.6e12,
    ]

    static func parse(
        _ text: String, units: [String: Double], example: String
    ) throws(LivemigError) -> UInt64 {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }
        guard !number.isEmpty, let value = Double(number) else {
            throw LivemigError(.size, "not a quantity: \(text.escaped())", fix: "write \(example)")
        }
        guard let factor = units[String(unit)] else {
            throw LivemigError(
                .size, "\(text.escaped()) has no unit that is known here",
                fix: "give one of \(units.keys.sorted().joined(separator: " ")), e.g. \(example)")
        }
        let product = (value * factor).rounded()
        guard product.isFinite, product < 9.2e18 else {
            throw LivemigError(.size, "too large: \(text.escaped())")
        }
        return UInt64(product)
    }

    static func scaled(_ value: Double, by base: Double, units: [String]) -> String {
        var rest = value
        var index = 0
        while rest >= base, index + 1 < units.count {
            rest /= base
            index += 1
        }
        return number(rest, digits: rest < 10 && index > 0 ? 1 : 0) + " " + units[index]
    }

    /// A decimal with a fixed number of digits after the point, without Foundation.
    static func number(_ value: Double, digits: Int) -> String {
        var factor = 1.0
        for _ in 0..<digits { factor *= 10 }
        let scaled = (value * factor).rounded()
        guard digits > 0, scaled.magnitude < 9e15 else { return String(Int64(scaled)) }
        let sign = scaled < 0 ? "-" : ""
        let whole = (Int64(scaled) / Int64(factor)).magnitude
        let fraction = String((Int64(scaled) % Int64(factor)).magnitude)
        let padding = String(repeating: "0", count: digits - fraction.count)
        return "\(sign)\(whole).\(padding)\(fraction)"
    }
}

extension Int {
    /// Reads decimal digits, at least one and at most a number of them; `nil` for anything else.
    public init?(digits text: String, atMost limit: Int) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard (1...limit).contains(text.utf8.count), text.utf8.allSatisfy(digits.contains) else {
            return nil
        }
        self.init(text)
    }
}
