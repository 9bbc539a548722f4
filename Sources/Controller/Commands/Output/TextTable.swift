import MigrationModel

/// Columns that line up.
enum TextTable {
    /// Lays rows out in columns two spaces apart, without spaces at the ends of lines.
    static func lines(_ rows: [[String]]) -> [String] {
        let rows = rows.map { $0.map { $0.onOneLine() } }
        var widths: [Int] = []
        for row in rows {
            for (index, cell) in row.enumerated() {
                if index < widths.count {
                    widths[index] = max(widths[index], cell.count)
                } else {
                    widths.append(cell.count)
                }
            }
        }
        return rows.map { row in
            let cells = row.enumerated().map { index, cell in cell.padded(to: widths[index]) }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

extension String {
    /// The text with spaces after it up to a width.
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}

extension UInt64 {
    /// The number with a comma before every third digit, such as `1,048,576`.
    var grouped: String {
        var digits = String(self)[...]
        var groups: [Substring] = []
        while digits.count > 3 {
            groups.append(digits.suffix(3))
            digits = digits.dropLast(3)
        }
        groups.append(digits)
        return groups.reversed().joined(separator: ",")
    }
}
