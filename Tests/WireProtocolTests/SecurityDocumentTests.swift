import Glibc
import TestSupport
import Testing

/// `Docs/SECURITY.md` names the suites that exercise each control: they must be there.
@Suite("The security document")
struct SecurityDocumentTests {
    /// What stands in a table of controls in the place of a suite.
    private static let others: Set<Substring> = ["a precondition"]

    /// The last column of each row of a table under the heading.
    private static func rows() throws -> [[Substring]] {
        let text = try Repository.read("Docs/SECURITY.md")
        let start = try #require(text.firstRange(of: "\n## Controls\n"))
        let end = try #require(text.firstRange(of: "\n## What is not defended\n"))
        return text[start.upperBound..<end.lowerBound].split(separator: "\n")
            .filter { $0.hasPrefix("| ") && !$0.hasPrefix("| ---") && !$0.hasPrefix("| control") }
            .map { row in
                let cells = row.split(separator: "|").map { $0.trimmed }
                return (cells.last ?? "").split(separator: ",").map { Substring($0.trimmed) }
            }
    }

    private static func suites() throws -> Set<Substring> {
        // All suites of a target may be meant.
        var found = Set(
            TreeListing.names(in: Repository.root + "/Tests").filter { $0.hasSuffix("Tests") }
                .map { $0.dropLast("Tests".count) })
        for file in TreeListing.files(below: Repository.root + "/Tests")
        where file.hasSuffix(".swift") {
            for line in try Repository.read("Tests/" + file).split(separator: "\n") {
                for word in ["struct ", "class ", "enum "] {
                    guard let name = line.firstRange(of: word) else { continue }
                    let rest = line[name.upperBound...].prefix { $0.isLetter || $0.isNumber }
                    if rest.hasSuffix("Tests") { found.insert(rest.dropLast("Tests".count)) }
                }
            }
        }
        return found
    }

    // Broken by: a suite that was renamed or removed while the document says that it exercises a
    // control, and a control without any.
    @Test func everySuiteIsThere() throws {
        let (rows, suites) = (try Self.rows(), try Self.suites())
        #expect(rows.count > 40)
        for row in rows {
            #expect(!row.isEmpty)
            for name in row where !Self.others.contains(name) {
                let isThere =
                    name.hasSuffix("…")
                    ? suites.contains { $0.hasPrefix(name.dropLast()) } : suites.contains(name)
                #expect(isThere, "\(name)")
            }
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let front = drop { $0 == " " }
        return front[
            ..<(front.lastIndex { $0 != " " }.map { front.index(after: $0) } ?? front.startIndex)]
    }
}
