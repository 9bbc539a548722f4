import MigrationModel
import Testing

@testable import Commands

@Suite("Text of hosts that are not believed")
struct HostileTextTests {
    // Breaks when a host's own words move the cursor, change colours, or add lines to a table.
    @Test("a table shows what a terminal would obey")
    func table() {
        let lines = TextTable.lines([["NAME"], ["\u{1B}[2Jweb\u{7}"], ["a\nbeta RUNNING"]])
        #expect(lines == ["NAME", "\\u{1b}[2Jweb\\u{7}", "a\\u{a}beta RUNNING"])
    }

    // Breaks when an error that came from a host is printed as it came, coloured or not.
    @Test("an error shows what a terminal would obey", arguments: [TextStyle.plain, .colored])
    func error(style: TextStyle) {
        let error = LivemigError(.io, "no\u{1B}[31m\nlivemig: moved", at: "\u{202E}alpha")
        let line = ErrorText.line(error, style: style)
        #expect(line.hasSuffix(" no\\u{1b}[31m\\u{a}livemig: moved; \\u{202e}alpha"))
        #expect(!line.contains("\n"))
    }
}
