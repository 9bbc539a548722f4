import FrameTransport
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

@Suite("The greeting on a connection")
struct GreetingTests {
    // Broken by: reading beyond the line, which loses the start of the first frame.
    @Test("a greeting and the frame behind it", arguments: Banner.Role.allCases)
    func good(role: Banner.Role) throws {
        var wire = try Wire()
        var peer = FrameChannel(
            try DescriptorChannel(socket: try wire.peer.duplicate()), at: "alpha")
        try peer.sendBanner(role)
        try peer.send(DoneMessage())
        #expect(try wire.channel.receiveBanner() == Banner(role: role))
        #expect(try wire.channel.receive()?.type == .done)
    }

    // Broken by: another version talked to as if it was the same, or called no greeting.
    @Test func anotherVersion() throws {
        var wire = try Wire()
        try wire.feed(Array("LIVEMIG agent 9 0.9.0\n".utf8))
        let error = failure { _ = try wire.channel.receiveBanner() }
        #expect(error?.code == .version)
        #expect(error?.what == "agent 0.9.0 speaks protocol 9, this program 5")
        #expect(error?.code.exitCode == .refused)
    }

    // Broken by: text of a login shell not shown, or shown unescaped on the operator's terminal.
    @Test(
        "other text before the greeting",
        arguments: [
            ("Welcome to alpha!\nLIVEMIG agent 5 0.1.0\n", "\"Welcome to alpha!\""),
            ("\u{1B}[2JLIVEMIG agent 5 0.1.0\n", "\"\\u{1b}[2JLIVEMIG agent 5 0.1.0\""),
            ("\nLIVEMIG agent 5 0.1.0\n", "\"\""), ("LIVEMIG agent 1", "\"LIVEMIG agent 1\""),
            ("", "\"\""), (String(repeating: "x", count: 500), String(repeating: "x", count: 48)),
            ("LIVEMIG agent 5 0.1.0\r\n", "\"LIVEMIG agent 5 0.1.0\\u{d}\""),
        ])
    func otherText(text: String, shown: String) throws {
        var wire = try Wire()
        try wire.feed(Array(text.utf8))
        let error = failure { _ = try wire.channel.receiveBanner() }
        #expect(error?.code == .hello)
        #expect(error?.what.contains(shown) == true, "\(error?.what ?? "nothing")")
        #expect(error?.what.utf8.allSatisfy { (0x20...0x7E).contains($0) } == true)
        #expect(error?.fix.isEmpty == false)
    }

    // Broken by: bytes that are no UTF-8 trapping, or an endless line read without end.
    @Test func endlessBytes() throws {
        try within(.seconds(10)) {
            var wire = try Wire()
            try DescriptorIO.write([UInt8](repeating: 0xFF, count: 300), to: wire.peer.number)
            #expect(failure { _ = try wire.channel.receiveBanner() }?.code == .hello)
        }
    }

    // Broken by: a peer that says nothing holding the connection for ever.
    @Test func silence() throws {
        try within(.seconds(10)) {
            var wire = try Wire(stall: .milliseconds(50))
            #expect(failure { _ = try wire.channel.receiveBanner() }?.code == .stall)
        }
    }
}
