import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// No program of ours asks a shell for anything.
@Suite struct NoShellTests {
    /// What would run a shell, or look a program up by somebody's PATH, with the manual page.
    static let functions = [
        "system",  // system(3)
        "popen",  // popen(3)
        "wordexp",  // wordexp(3)
        "execlp", "execvp", "execvpe",  // exec(3)
        "posix_spawnp",  // posix_spawn(3)
    ]

    // Breaks when a source names a shell, or a function that starts one.
    @Test func sources() throws {
        let folder = Repository.root + "/Sources"
        let files = TreeListing.files(below: folder)
        #expect(files.count > 100)
        for file in files {
            let text = try Repository.read("Sources/" + file)
            for shell in ["/bin/sh", "/bin/bash", "/bin/dash", "\"sh\"", "\"bash\"", "\"-c\""] {
                #expect(!text.contains(shell), "\(shell) in \(file)")
            }
            for function in Self.functions {
                #expect(!calls(function, in: text), "\(function) in \(file)")
            }
        }
        #expect(calls("system", in: "_ = system(\"x\")"))
        #expect(!calls("system", in: "file_system(x) system = y .system(z)"))
    }

    /// Whether a text calls a C function: its name, not the end of another one, and a parenthesis.
    private func calls(_ function: String, in text: String) -> Bool {
        text.ranges(of: function + "(").contains { range in
            guard range.lowerBound > text.startIndex else { return true }
            let before = text[text.index(before: range.lowerBound)]
            return !(before.isLetter || before.isNumber || before == "_" || before == ".")
        }
    }

    // Breaks when a library that is linked in brings such a function along.
    @Test(arguments: [
        "livemig", "livemig-agent", "livemig-synthetic-guest", "libguestmemory.so",
    ])
    func programs(_ name: String) throws {
        let symbols = try Tool.run(
            "nm", package: "binutils",
            ["--dynamic", "--undefined-only", "--format=posix", try BuildProducts.program(name)])
        let names = symbols.split(separator: "\n").compactMap { line -> Substring? in
            line.split(separator: " ").first?.split(separator: "@").first
        }
        #expect(
            names.contains { $0 == "socket" || $0 == "posix_spawn" || $0 == "read" }, "\(names)")
        for function in Self.functions {
            #expect(!names.contains(Substring(function)), "\(function) in \(name)")
        }
    }
}
