import MigrationModel
import TestSupport
import Testing

@Suite("Names and identifiers")
struct NameTests {
    static let good = [
        "a", "0", "web1", "web-1.example_2", "A", String(repeating: "x", count: 64), "9..", "a-",
        "a_",
    ]
    static let bad = [
        "", ".", "..", "-", "-oProxyCommand=x", "_a", ".hidden", "a b", "a/b", "a\n", "a\u{0}",
        "a%20",
        "$(reboot)", "é", "a\u{301}", "a\u{202e}b", "web,1", "a=b", "a:b", "a\\b", "a\"",
        String(repeating: "x", count: 65), String(repeating: "x", count: 300), "١",
    ]

    // Broken by: an alphabet that grew or shrank, or a limit off by one.
    @Test("names accepted", arguments: good)
    func accepted(name: String) throws {
        #expect(try VMName(name).text == name)
        #expect(try HostName(name).description == name)
    }

    // Broken by: a name that would be an option, a path, a shell word or a terminal escape.
    @Test("names refused", arguments: bad)
    func refused(name: String) {
        let vm = #expect(throws: LivemigError.self) { try VMName(name) }
        let host = #expect(throws: LivemigError.self) { try HostName(name) }
        #expect(vm?.code == .vmName)
        #expect(host?.code == .hostName)
        #expect(vm?.what.utf8.allSatisfy { (0x20...0x7E).contains($0) } == true)
    }

    // Broken by: halves exchanged, lost leading zeros, upper case on the way out.
    @Test(
        "128 bits as text",
        arguments: [
            (Bits128(high: 0, low: 0), "00000000000000000000000000000000"),
            (Bits128(high: 1, low: 2), "00000000000000010000000000000002"),
            (Bits128(high: .max, low: 0), "ffffffffffffffff0000000000000000"),
            (
                Bits128(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210),
                "0123456789abcdeffedcba9876543210"
            ),
        ])
    func bits(value: Bits128, text: String) {
        #expect(value.description == text)
        #expect(Bits128(hexadecimal: text) == value)
        #expect(Bits128(hexadecimal: text.uppercased()) == value)
    }

    // Broken by: text that is not 32 hexadecimal digits read as some number.
    @Test(
        "text that is no 128 bits",
        arguments: [
            "", "0", String(repeating: "0", count: 31), String(repeating: "0", count: 33),
            "+123456789abcdef0123456789abcdef", "0123456789abcdef-123456789abcdef",
            "0123456789abcdeg0123456789abcdef", " 123456789abcdef0123456789abcdef",
            "０123456789abcdef0123456789abcdef",
        ])
    func noBits(text: String) { #expect(Bits128(hexadecimal: text) == nil) }

    // Broken by: a UUID that is not printed as it was read.
    @Test func `UUIDs survive text`() {
        var random = Seeded(1)
        for _ in 0..<200 {
            let uuid = VMUUID(Bits128(high: random.next(), low: random.next()))
            #expect(VMUUID(uuid.description) == uuid)
            #expect(VMUUID(uuid.bits.description) == uuid)
            #expect(VMUUID(uuid.description.uppercased()) == uuid)
            #expect(uuid.description.split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
        }
    }

    // Broken by: dashes accepted anywhere, or braces and prefixes of other notations.
    @Test(
        "text that is no UUID",
        arguments: [
            "", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
            "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "6ba7b8109-dad-11d1-80b4-00c04fd430c8",
            "6ba7b810-9dad-11d1-80b4-00c04fd43-c8", "urn:uuid:6ba7b8109dad11d180b400c04fd430c8",
            "6ba7b810–9dad–11d1–80b4–00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
            "6ba7b8109dad11d180b400c04fd430c", "6ba7b810-9dad11d1-80b4-00c04fd430c-8",
        ])
    func noUUID(text: String) { #expect(VMUUID(text) == nil) }

    // Broken by: version or variant bits in the wrong place (RFC 9562, section 5.4).
    @Test func `random UUIDs are of version 4`() {
        for _ in 0..<64 {
            let text = Array(VMUUID.random().description)
            #expect(text[14] == "4")
            #expect("89ab".contains(text[19]))
        }
    }

    // Broken by: a control character, a quote or a terminal escape let through to the terminal.
    @Test(
        "escaped text",
        arguments: [
            ("", "\"\""), ("plain ~", "\"plain ~\""), ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("a\nb\tc", "\"a\\nb\\tc\""), ("\u{1B}[31m", "\"\\u{1b}[31m\""),
            ("\r\n", "\"\\u{d}\\n\""), ("é", "\"\\u{e9}\""), ("e\u{301}", "\"e\\u{301}\""),
            ("\u{202E}", "\"\\u{202e}\""), ("\u{7F}\u{0}", "\"\\u{7f}\\u{0}\""),
        ])
    func escaped(text: String, expected: String) { #expect(text.escaped() == expected) }

    // Broken by: a peer's text of any length filling the terminal.
    @Test func `escaped text is bounded`() {
        for character in ["a", "\u{1F600}", "\n", "\""] {
            let text = String(repeating: character, count: 100_000).escaped()
            #expect(text.utf8.count <= 525)
            #expect(text.hasSuffix("…\""))
        }
    }
}
