import MigrationModel
import Testing
import WireProtocol

@Suite("The greeting")
struct BannerTests {
    // Broken by: the line in another form than both ends expect.
    @Test("what this program says is understood", arguments: Banner.Role.allCases)
    func own(role: Banner.Role) throws {
        let line = Banner(role: role).line
        #expect(line == "LIVEMIG \(role.rawValue) 5 0.1.0\n")
        #expect(line.utf8.count <= WireLimits.banner)
        #expect(try Banner(line: String(line.dropLast())) == Banner(role: role))
    }

    // Broken by: another version not recognised as one, so that it is called no greeting at all.
    @Test(
        "greetings of other versions",
        arguments: [
            ("LIVEMIG agent 4 0.2.0", 4), ("LIVEMIG lane 9999 99", 9999),
            ("LIVEMIG controller 1 1.0-rc_1", 1),
        ])
    func other(line: String, version: Int) throws {
        #expect(try Banner(line: line).protocolVersion == version)
    }

    // Broken by: other text on the connection taken for a greeting.
    @Test(
        "lines that are no greeting",
        arguments: [
            "", "LIVEMIG", "LIVEMIG agent 1", "LIVEMIG agent 1 0.1.0 ", "LIVEMIG agent 1 0.1.0\r",
            "LIVEMIG agent 1 0.1.0 x", " LIVEMIG agent 1 0.1.0", "LIVEMIG  agent 1 0.1.0",
            "livemig agent 1 0.1.0", "LIVEMIG Agent 1 0.1.0", "LIVEMIG guardian 1 0.1.0",
            "LIVEMIG agent 0 0.1.0", "LIVEMIG agent -1 0.1.0", "LIVEMIG agent +1 0.1.0",
            "LIVEMIG agent 01 0.1.0", "LIVEMIG agent 10000 0.1.0", "LIVEMIG agent 1.0 0.1.0",
            "LIVEMIG agent 99999999999999999999 0.1.0", "LIVEMIG agent １ 0.1.0",
            "LIVEMIG agent 1 -0.1", "LIVEMIG agent 1 v\u{1B}[31m",
            "LIVEMIG agent 1 \(String(repeating: "9", count: 33))", "SSH-2.0-OpenSSH_9.2",
            "Welcome to Debian GNU/Linux", "\u{0}\u{0}\u{0}",
        ])
    func noGreeting(line: String) {
        let error = #expect(throws: WireError.self) { try Banner(line: line) }
        #expect(error == .banner(line.escaped()))
    }
}
