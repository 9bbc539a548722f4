import MigrationModel

/// Numbers as they are read.
enum Words {
    /// Thousandths as a decimal with one digit after the point.
    static func tenths(_ thousandths: Int) -> String {
        let tenths = (thousandths + 50) / 100
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Such as `1 guest` and `2 guests`.
    static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    /// Such as `web1, web2 and web3`.
    static func list(_ items: [String]) -> String {
        guard let last = items.last else { return "" }
        guard items.count > 1 else { return last }
        return items.dropLast().joined(separator: ", ") + " and " + last
    }

    /// The first few of many clauses, and how many more there are.
    static func few(_ clauses: [String], of total: Int, _ noun: String) -> String {
        let rest = total - clauses.count
        let more = rest > 0 ? ["\(rest) more \(noun)\(rest == 1 ? "" : "s") cannot either"] : []
        return (clauses + more).joined(separator: ", ")
    }

    /// A range whose ends share their unit, such as `4.1–6.0 s`.
    static func range(_ low: String, _ high: String) -> String {
        guard low != high else { return low }
        let (first, last) = (low.split(separator: " "), high.split(separator: " "))
        guard first.count == 2, last.count == 2, first[1] == last[1] else {
            return "\(low)–\(high)"
        }
        return "\(first[0])–\(last[0]) \(last[1])"
    }
}
