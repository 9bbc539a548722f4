import FoundationEssentials
import MigrationModel
import TestSupport
import Testing

@Suite("Inventory commands")
struct InventoryCommandTests {
    private static let key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

    private struct Hosts: Decodable {
        let hosts: [Host]

        struct Host: Decodable {
            let name: String
            let address: String
            let port: Int
            let user: String
            let hostKeys: [String]
        }
    }

    // Breaks when a host that was added is not listed, shown and removed as it was given, or when
    // results and messages go to the wrong stream.
    @Test("a host is added, listed, shown and removed")
    func lifeOfHost() throws {
        let folder = try ScratchFolder()
        let file = folder.path("new/hosts.xml")
        func run(_ arguments: String...) throws -> ProgramRun {
            try ProgramRun(arguments + ["--inventory", file], in: folder)
        }
        let added = try run(
            "host", "add", "alpha", "--address", "10.0.0.11", "--user", "vm", "--port", "2222",
            "--host-key", Self.key)
        #expect(added.status == 0, "\(added.errors)")
        #expect(added.output == "added alpha to \(file)\n")
        #expect(added.errors.isEmpty)

        let again = try run(
            "host", "add", "alpha", "--address", "10.0.0.12", "--host-key", Self.key)
        #expect(again.status == 3)
        #expect(again.errors.contains("error[E-EXISTS]: host alpha is there already"))

        let list = try run("host", "list")
        #expect(
            list.output
                == """
                NAME   ADDRESS         USER  ROOT
                alpha  10.0.0.11:2222  vm    /var/lib/livemig

                """)
        let json = try run("host", "list", "--output", "json")
        #expect(json.output.contains(#""host_keys":["#))
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let hosts = try decoder.decode(Hosts.self, from: Data(json.output.utf8)).hosts
        #expect(hosts.map(\.name) == ["alpha"])
        #expect(hosts.first?.port == 2222)
        #expect(hosts.first?.hostKeys == [Self.key])

        let shown = try run("host", "show", "alpha")
        #expect(shown.output.contains("host key         \(Self.key)\n"))

        #expect(try run("host", "remove", "alpha").output == "removed alpha from \(file)\n")
        let gone = try run("host", "remove", "alpha")
        #expect(gone.status == 3)
        #expect(gone.errors.contains("error[E-NOHOST]"))
        #expect(gone.output.isEmpty)
    }

    // Breaks when a damaged inventory is read all the same, or its line is not named.
    @Test("a damaged inventory is an error with its line")
    func damaged() throws {
        let folder = try ScratchFolder()
        try folder.write("<livemig version=\"1\">\n<host></livemig>", to: "hosts.xml")
        let run = try ProgramRun(
            ["host", "list", "--output", "json", "--inventory", folder.path("hosts.xml")],
            in: folder)
        #expect(run.status == 3)
        #expect(run.errors.contains("error[E-XML]"))
        #expect(run.errors.contains("hosts.xml:2:"))
        #expect(run.output.hasPrefix(#"{"code":"E-XML","event":"error","exit_code":3"#))
    }
}
