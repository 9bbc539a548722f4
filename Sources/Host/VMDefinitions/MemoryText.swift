import MigrationModel

/// Sizes as libvirt writes them: a whole number and a unit
/// (<https://libvirt.org/formatdomain.html#memory-allocation>).
enum MemoryText {
    /// Bytes by unit; KiB where there is none.
    static let units: [(name: String, bytes: UInt64)] = [
        ("b", 1), ("bytes", 1), ("KB", 1000), ("k", 1 << 10), ("KiB", 1 << 10), ("MB", 1_000_000),
        ("M", 1 << 20), ("MiB", 1 << 20), ("GB", 1_000_000_000), ("G", 1 << 30), ("GiB", 1 << 30),
        ("TB", 1_000_000_000_000), ("T", 1 << 40), ("TiB", 1 << 40),
    ]

    /// Reads a size.
    /// - Throws: `E-SIZE` for a number or a unit that is none.
    static func size(_ number: String, unit: String?) throws(LivemigError) -> ByteCount {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard !number.isEmpty, number.utf8.allSatisfy(digits.contains) else {
            throw LivemigError(.size, "\(number.escaped()) is not a whole number")
        }
        guard let factor = units.first(where: { $0.name == unit ?? "KiB" })?.bytes else {
            throw LivemigError(
                .size, "unknown unit \((unit ?? "").escaped())",
                fix: "supported: \(units.map(\.name).joined(separator: " "))")
        }
        guard let count = UInt64(number) else { throw LivemigError(.size, "too much memory") }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw LivemigError(.size, "too much memory") }
        return ByteCount(bytes)
    }
}
