import MigrationModel
import TestSupport

/// The text of a Swift file, as far as the rules of the house look at it.
struct SwiftText {
    let path: String
    let lines: [Substring]

    init(path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The functions and initializers with a body, by their first lines.
    var functions: [(line: Int, name: Substring, length: Int)] {
        lines.indices.compactMap { first in
            let line = lines[first]
            let indent = line.prefix { $0 == " " }
            guard Self.beginsFunction(line.dropFirst(indent.count)) else { return nil }
            guard let open = self.open(of: first, indent),
                let close = lines[open...].firstIndex(where: { $0 == indent + "}" })
            else { return nil }
            return (first + 1, line.dropFirst(indent.count).prefix(60), close - first + 1)
        }
    }

    /// The line that ends with the brace of a body of several lines.
    private func open(of first: Int, _ indent: Substring) -> Int? {
        for index in lines.indices[first...] {
            let line = lines[index]
            let ends = [")", "->", "where"].contains { line.hasPrefix(indent + $0) }
            guard index == first || ends || line.hasPrefix(indent + "    ") else { return nil }
            if line.contains("{") { return line.hasSuffix("{") ? index : nil }
        }
        return nil
    }

    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "private", "fileprivate", "static", "final", "override",
        "mutating", "nonisolated", "convenience", "class", "required", "consuming", "borrowing",
    ]

    private static func beginsFunction(_ line: Substring) -> Bool {
        for word in line.split(separator: " ") where !modifiers.contains(word) {
            return word == "func"
                || ["init(", "init?(", "init<", "deinit"].contains(where: word.hasPrefix)
        }
        return false
    }

    /// The names of documents in comments: words of capitals before `, "Section"`.
    var citedDocuments: [(line: Int, name: Substring)] {
        lines.indices.flatMap { index -> [(Int, Substring)] in
            let line = lines[index].drop { $0 == " " }
            guard line.hasPrefix("//") else { return [] }
            return line.split(separator: "(").dropFirst().compactMap { part in
                let name = part.prefix { $0.isUppercase || $0 == "-" }
                return name.count > 3 && part[name.endIndex...].hasPrefix(", \"")
                    ? (index + 1, name) : nil
            }
        }
    }
}

/// What the repository has, by paths below its top.
struct SourceTree {
    let swift: [String]

    init() {
        swift = ["Sources", "Tests"].flatMap { top in
            TreeListing.files(below: Repository.root + "/" + top)
                .filter { $0.hasSuffix(".swift") }.map { top + "/" + $0 }
        }
    }

    /// How many Swift files lie in each folder itself.
    var folders: [String: Int] {
        Dictionary(grouping: swift, by: Self.folder).mapValues(\.count)
    }

    private static func folder(of path: String) -> String {
        path.split(separator: "/").dropLast().joined(separator: "/")
    }

    /// Whether a file is there that somebody names by the end of its path.
    func has(_ name: Substring) -> Bool {
        swift.contains { $0 == name || $0.hasSuffix("/" + name) }
    }

    /// The Swift files that a document names between back quotes.
    static func namedFiles(_ text: String) -> [Substring] {
        text.split(separator: "`").filter { part in
            part.hasSuffix(".swift") && !part.contains(" ") && !part.contains("\n")
        }
    }
}
