import TestSupport
import Testing

@Suite("Tidiness")
struct TidyTests {
    private let tree = SourceTree()

    /// The most Swift files of a folder itself.
    private static let folderLimit = 22
    /// The longest function of the sources, in lines with its signature.
    private static let functionLimit = 60

    // Breaks when a folder becomes a heap of files that nobody can name.
    @Test("folders have walls")
    func folders() {
        #expect(tree.swift.count > 500)
        for (folder, count) in tree.folders {
            #expect(count <= Self.folderLimit, "\(folder)")
        }
    }

    // Breaks when a function does not fit a screen.
    @Test("functions fit a screen")
    func functions() throws {
        var found = 0
        for path in tree.swift where path.hasPrefix("Sources/") {
            for function in SwiftText(path: path, try Repository.read(path)).functions {
                found += 1
                #expect(
                    function.length <= Self.functionLimit,
                    "\(path):\(function.line): \(function.name)")
            }
        }
        #expect(found > 3000)
    }

    // Breaks when a document tells of a file that has gone or moved.
    @Test("files that documents name are there")
    func files() throws {
        var found = 0
        for path in TreeListing.files(below: Repository.root + "/Docs") where path.hasSuffix(".md")
        {
            for name in SourceTree.namedFiles(try Repository.read("Docs/" + path)) {
                found += 1
                #expect(name == "Package.swift" || tree.has(name), "Docs/\(path): \(name)")
            }
        }
        #expect(found > 60)
    }

    // Breaks when a comment cites a document that a reader of the repository cannot open.
    @Test("documents that comments cite are there")
    func documents() throws {
        let documents = TreeListing.files(below: Repository.root + "/Docs")
        for path in tree.swift where path.hasPrefix("Sources/") {
            for cited in SwiftText(path: path, try Repository.read(path)).citedDocuments {
                #expect(
                    documents.contains(cited.name + ".md"), "\(path):\(cited.line): \(cited.name)")
            }
        }
    }

    // Breaks when a rule does not see what it is there for.
    @Test("the rules see what breaks them")
    func rules() {
        let text = SwiftText(
            path: "a.swift",
            """
            /// Rules (OWNERSHIP, "Rules"), see open(2), "x".
            struct A {
                private static func long(
                    _ x: Int
                ) -> Int {
                    x
                }
                public init() {}
                func required()
                var property: Int { 1 }
                init(x: Int) {
                    self.x = x
                }
            }
            """)
        #expect(text.functions.map(\.line) == [3, 11])
        #expect(text.functions.map(\.length) == [5, 3])
        #expect(text.citedDocuments.map(\.name) == ["OWNERSHIP"])
        let named = SourceTree.namedFiles("see `A/B.swift`, `no file` and `C.swift`.")
        #expect(named == ["A/B.swift", "C.swift"])
        #expect(tree.has("TidyTests/TidyTests.swift") && !tree.has("idyTests.swift"))
    }
}
