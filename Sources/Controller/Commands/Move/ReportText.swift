import MigrationModel

/// Compatibility reports as text and as JSON.
enum ReportText {
    /// One line per finding with its details below, and the answer at the end.
    static func lines(_ report: CompatibilityReport) -> [String] {
        let width = report.findings.map(\.id.count).max() ?? 0
        let findings = report.findings.flatMap { lines($0, width: width) }
        return findings + [answer(report)]
    }

    /// A warning of a move that is made all the same, on one line.
    static func warning(_ finding: Finding) -> String {
        let sides = [("source", finding.source), ("destination", finding.destination)]
            .filter { !$0.1.isEmpty }.map { "\($0.0) \($0.1)" }
        let parts = [finding.message, finding.place] + sides + [finding.fix]
        let text = parts.filter { !$0.isEmpty }.joined(separator: "; ").onOneLine()
        return "livemig: warning[\(finding.id)]: \(text)"
    }

    private static func lines(_ finding: Finding, width: Int) -> [String] {
        let margin = String(repeating: " ", count: width + 2)
        var lines = [finding.id.padded(to: width + 2) + finding.message.onOneLine()]
        var details: [[String]] = []
        if !finding.place.isEmpty { details.append(["where", finding.place]) }
        if !finding.source.isEmpty { details.append(["source", finding.source]) }
        if !finding.destination.isEmpty { details.append(["destination", finding.destination]) }
        if !finding.fix.isEmpty { details.append(["fix", finding.fix]) }
        lines += TextTable.lines(details).map { margin + $0 }
        return lines
    }

    private static func answer(_ report: CompatibilityReport) -> String {
        let move = "\(report.vm): \(report.source) → \(report.destination)".onOneLine()
        let warnings = report.findings.count - report.errors.count
        guard report.isCompatible else {
            return "\(move) cannot be moved: \(count(report.errors.count, "error")), "
                + count(warnings, "warning")
        }
        return "\(move) can be moved"
            + (warnings > 0 ? ", with \(count(warnings, "warning"))" : "")
    }

    private static func count(_ number: Int, _ what: String) -> String {
        "\(number) \(what)\(number == 1 ? "" : "s")"
    }
}

/// What `check` prints.
struct CheckDocument: Encodable {
    let vm: String
    let source: String
    let destination: String
    let compatible: Bool
    let findings: [FindingDocument]

    init(_ report: CompatibilityReport) {
        vm = report.vm
        source = report.source.text
        destination = report.destination.text
        compatible = report.isCompatible
        findings = report.findings.map(FindingDocument.init)
    }
}

/// One finding.
struct FindingDocument: Encodable {
    let id: String
    let severity: String
    let message: String
    let place: String?
    let source: String?
    let destination: String?
    let fix: String?

    init(_ finding: Finding) {
        id = finding.id
        severity = finding.error == nil ? "warning" : "error"
        message = finding.message
        place = finding.place.isEmpty ? nil : finding.place
        source = finding.source.isEmpty ? nil : finding.source
        destination = finding.destination.isEmpty ? nil : finding.destination
        fix = finding.fix.isEmpty ? nil : finding.fix
    }
}
