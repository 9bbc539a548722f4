import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// `Docs/WIRE-PROTOCOL.md` says what the code does: every number of it that can be compared is.
///
/// The tables of messages lie between two marks; `LIVEMIG_REGENERATE_GOLDEN=1` in the environment
/// of the test run writes them anew.
@Suite("The protocol's document")
struct DocumentTests {
    static let path = "Docs/WIRE-PROTOCOL.md"
    static let start = "<!-- messages: written by the tests -->\n"
    static let end = "<!-- end of messages -->\n"

    // Broken by: a frame type whose number or name the document does not have.
    @Test("every frame type is listed", arguments: FrameType.allCases)
    func frameType(type: FrameType) throws {
        let text = try Repository.read(Self.path)
        #expect(text.contains("| \(type.rawValue) | `\(type)` |"))
    }

    // Broken by: a limit that was changed in the code and not in the document.
    @Test(
        "every limit is listed",
        arguments: [
            ("payload", WireLimits.payload), ("definition", WireLimits.definition),
            ("name", WireLimits.name), ("sentence", WireLimits.sentence),
            ("devices", WireLimits.devices), ("machines", WireLimits.machines),
            ("damaged", WireLimits.damaged),
            ("reason", WireLimits.reason), ("items", WireLimits.items),
            ("jumps", WireLimits.jumps),
            ("stateChunk", WireLimits.stateChunk), ("deviceState", Int(WireLimits.deviceState)),
            ("consoleChunk", WireLimits.consoleChunk), ("pageHashes", WireLimits.pageHashes),
            ("windows", WireLimits.windows), ("banner", WireLimits.banner),
            ("word", WireLimits.word),
            ("features", WireLimits.features), ("findings", WireLimits.findings),
            ("laneLimit", MigrationPolicy.laneLimit), ("bridges", WireLimits.bridges),
            ("networkLimit", HostPolicy.networkLimit), ("peerLimit", HostPolicy.peerLimit),
        ])
    func limit(name: String, value: Int) throws {
        let text = try Repository.read(Self.path)
        #expect(text.contains("| `\(name)` | \(value) |"))
    }

    // Broken by: a limit added to the code that neither document nor test knows of.
    @Test func noLimitIsForgotten() throws {
        let source = try Repository.read("Sources/Core/WireProtocol/WireLimits.swift")
        let text = try Repository.read(Self.path)
        let names = source.split(separator: "\n").compactMap { line -> Substring? in
            let words = line.split(separator: " ")
            guard words.starts(with: ["public", "static", "let"]), words.count > 3 else {
                return nil
            }
            return words[3].prefix { $0 != ":" }
        }
        #expect(names.count == 20)
        for name in names { #expect(text.contains("| `\(name)` | "), "\(name)") }
    }

    // Broken by: a field added, moved or widened without the document saying so.
    @Test func theTablesOfMessagesAreThoseOfTheCode() throws {
        var text = try Repository.read(Self.path)
        let start = try #require(text.firstRange(of: Self.start)).upperBound
        let end = try #require(text.firstRange(of: Self.end)).lowerBound
        if Repository.isSet("LIVEMIG_REGENERATE_GOLDEN") {
            text.replaceSubrange(start..<end, with: Self.tables)
            try Repository.write(text, to: Self.path)
        } else {
            #expect(text[start..<end] == Self.tables)
        }
    }

    // Broken by: the greeting, the header's size or the version changed in the code alone.
    @Test func theFixedNumbers() throws {
        let text = try Repository.read(Self.path)
        #expect(text.contains("protocol version **\(Banner.currentProtocol)**"))
        #expect(text.contains("**\(FrameHeader.size) bytes**"))
        #expect(text.contains("at most \(WireLimits.banner) bytes"))
        for role in Banner.Role.allCases { #expect(text.contains("`\(role.rawValue)`")) }
    }

    private static var tables: String {
        var text = ""
        for kind in MessageKind.all.sorted(by: { $0.type.rawValue < $1.type.rawValue }) {
            text += "\n### \(kind.type.rawValue) `\(kind.type)`\n\n"
            if kind.layout.isEmpty {
                text += "No fields.\n"
            } else {
                text += "| field | bytes |\n| --- | --- |\n"
                text += kind.layout.flatMap { $0.rows() }.joined(separator: "\n") + "\n"
            }
        }
        return text + "\n"
    }
}
