/// The name of a VM on its host: 1–64 bytes of `A–Z a–z 0–9 . _ -`, starting with a letter or
/// digit.
///
/// The alphabet is what is safe at once as a folder name, in a QEMU option and in a log line.
public struct VMName: Hashable, Sendable, CustomStringConvertible {
    /// The name as the user wrote it.
    public let text: String

    /// Accepts a well-formed name.
    /// - Throws: `E-VMNAME` with the escaped text when it is not one.
    public init(_ text: String) throws(LivemigError) {
        guard text.isPlainName(limit: 64) else {
            throw LivemigError(
                .vmName, "illegal VM name \(text.escaped())",
                fix: "use 1–64 of A–Z a–z 0–9 . _ - and start with a letter or digit")
        }
        self.text = text
    }

    /// The name itself.
    public var description: String { text }
}

/// The name of a host in the inventory: 1–64 bytes of `A–Z a–z 0–9 . _ -`.
public struct HostName: Hashable, Sendable, CustomStringConvertible {
    /// The name as the user wrote it.
    public let text: String

    /// Accepts a well-formed name.
    /// - Throws: `E-HOSTNAME` with the escaped text when it is not one.
    public init(_ text: String) throws(LivemigError) {
        guard text.isPlainName(limit: 64) else {
            throw LivemigError(
                .hostName, "illegal host name \(text.escaped())",
                fix: "use 1–64 of A–Z a–z 0–9 . _ - and start with a letter or digit")
        }
        self.text = text
    }

    /// The name itself.
    public var description: String { text }
}

/// A 128-bit value written as 32 hexadecimal digits, the base of every random identifier here.
public struct Bits128: Hashable, Sendable, CustomStringConvertible {
    /// The upper 64 bits.
    public let high: UInt64
    /// The lower 64 bits.
    public let low: UInt64

    /// No bit set, where there is nothing to state.
    public static let zero = Bits128(high: 0, low: 0)

    /// Joins two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads exactly 32 hexadecimal digits; `nil` for anything else.
    public init?(hexadecimal text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32, digits.allSatisfy(\.isHexadecimalDigit),
            let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// A value from the system's random generator.
    public static func random() -> Bits128 {
        Bits128(high: .random(in: .min ... .max), low: .random(in: .min ... .max))
    }

    /// The 32 lower-case hexadecimal digits.
    public var description: String { high.hexadecimal + low.hexadecimal }
}

/// One attempt to move one VM: binds records, connections and messages of that attempt.
public struct MigrationID: Hashable, Sendable, CustomStringConvertible {
    /// The random value.
    public let bits: Bits128

    /// Wraps a value that came from a record or the wire.
    public init(_ bits: Bits128) { self.bits = bits }

    /// A new attempt's identifier.
    public static func random() -> MigrationID { MigrationID(.random()) }

    /// The 32 hexadecimal digits.
    public var description: String { bits.description }
}

/// The UUID of a VM as in its definition; two VMs with the same UUID are the same VM.
public struct VMUUID: Hashable, Sendable, CustomStringConvertible {
    /// The 128 bits.
    public let bits: Bits128

    /// Wraps a value that came from a record or the wire.
    public init(_ bits: Bits128) { self.bits = bits }

    /// Reads `8-4-4-4-12` or 32 hexadecimal digits; `nil` for anything else.
    public init?(_ text: String) {
        let dashes = [8, 13, 18, 23]
        let characters = Array(text)
        let dashed =
            characters.count == 36 && dashes.allSatisfy { characters[$0] == "-" }
        guard dashed || characters.count == 32,
            let bits = Bits128(hexadecimal: String(characters.filter { $0 != "-" }))
        else { return nil }
        self.bits = bits
    }

    /// A random UUID of version 4 (RFC 9562, section 5.4).
    public static func random() -> VMUUID {
        let random = Bits128.random()
        return VMUUID(
            Bits128(
                high: random.high & ~0xF000 | 0x4000,
                low: random.low & ~(0b11 << 62) | (0b10 << 62)))
    }

    /// The text in `8-4-4-4-12` form, lower case.
    public var description: String {
        let digits = Array(bits.description)
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
            .map { String(digits[$0]) }.joined(separator: "-")
    }
}

/// How often the right to run a VM was attempted to be handed over; grows by one per attempt and
/// never repeats.
public struct Epoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The count, from 0 for a VM that was never moved.
    public let number: UInt64

    /// Wraps a count.
    public init(_ number: UInt64) { self.number = number }

    /// The next attempt's epoch; `nil` when the count is used up.
    public var next: Epoch? {
        let (sum, overflow) = number.addingReportingOverflow(1)
        return overflow ? nil : Epoch(sum)
    }

    /// Earlier attempts order first.
    public static func < (left: Epoch, right: Epoch) -> Bool { left.number < right.number }

    /// The count in decimal.
    public var description: String { String(number) }
}

extension String {
    /// Whether the text is a name that is safe as a file name, an option value and a log word.
    ///
    /// - Parameter limit: the longest name accepted, in bytes.
    public func isPlainName(limit: Int) -> Bool {
        let bytes = Array(utf8)
        guard let first = bytes.first, bytes.count <= limit, first.isLetterOrDigit else {
            return false
        }
        return bytes.allSatisfy { $0.isLetterOrDigit || "._-".utf8.contains($0) }
    }

    /// The text in double quotes with everything outside printable ASCII escaped, at most 512
    /// bytes.
    ///
    /// Text that came from a peer, a file or the guest is shown only through this.
    public func escaped() -> String {
        var result = "\""
        for scalar in unicodeScalars {
            guard result.utf8.count < 508 else { return result + "…\"" }
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case " "..."~": result.unicodeScalars.append(scalar)
            default: result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return result + "\""
    }
}

extension String {
    /// The text on one line, with what a terminal obeys shown as `\u{…}`: control characters, line
    /// separators, and marks that change the direction of writing (Unicode Technical Report 36).
    ///
    /// For sentences, which `escaped` would make hard to read.
    public func onOneLine() -> String { obeyed { _ in false } }

    /// As `onOneLine`, keeping line feeds and tabs.
    public func harmless() -> String { obeyed { $0 == "\n" || $0 == "\t" } }

    private func obeyed(except isKept: (Unicode.Scalar) -> Bool) -> String {
        guard unicodeScalars.contains(where: { $0.isObeyedByTerminals && !isKept($0) }) else {
            return self
        }
        var result = ""
        for scalar in unicodeScalars {
            if scalar.isObeyedByTerminals, !isKept(scalar) {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension Unicode.Scalar {
    fileprivate var isObeyedByTerminals: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0xFEFF: true
        default: false
        }
    }
}

extension UInt8 {
    var isLetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    var isHexadecimalDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}

extension UInt64 {
    /// The 16 hexadecimal digits, lower case, with leading zeros.
    public var hexadecimal: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
