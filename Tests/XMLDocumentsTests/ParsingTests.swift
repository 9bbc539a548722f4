import MigrationModel
import Testing
import XMLDocuments

/// What the parser said about a text: its error, or `nil` when it was accepted.
func refusal(
    of text: String, limits: ParserLimits = .standard
) -> LivemigError? {
    refusal(of: Array(text.utf8), limits: limits)
}

func refusal(of bytes: [UInt8], limits: ParserLimits = .standard) -> LivemigError? {
    do throws(LivemigError) {
        _ = try XMLDocument(bytes: bytes, name: "f.xml", limits: limits)
        return nil
    } catch {
        return error
    }
}

@Suite("Parsing")
struct ParsingTests {
    // Breaks when a position is that of the tag's end, of the parser's cursor, or counts bytes.
    @Test("names, values, text and positions arrive as written")
    func content() throws {
        let text = """
            <?xml version="1.0" encoding="utf-8"?>
            <!-- é <x a="1"> -->
            <a one="1"
               two = 'é&amp;&lt;"&#10;'>é<b/>x &amp; y<!-- - --> z<![CDATA[<q>]]>
              <c:d
                 xmlns:c="urn:c" c:e="&gt;"
              >  inner  </c:d></a>
            """
        let document = try XMLDocument(bytes: Array(text.utf8), name: "f.xml")
        let root = document.root
        #expect(root.name == "a")
        #expect(root.location == "f.xml:3:1")
        #expect(root.line == 3)
        #expect(root.attributes.map(\.name) == ["one", "two"])
        #expect(root.attribute("two") == "é&<\"\n")
        #expect(root.attribute("three") == nil)
        #expect(root.location(ofAttribute: "one") == "f.xml:3:4")
        #expect(root.location(ofAttribute: "two") == "f.xml:4:4")
        #expect(root.children.map(\.name) == ["b", "c:d"])
        #expect(root.children[0].location == "f.xml:4:30")
        #expect(root.children[1].location == "f.xml:5:3")
        #expect(root.text == "éx & y z<q>\n  ")
        #expect(root.children[1].attributes.map(\.name) == ["xmlns:c", "c:e"])
        #expect(root.children[1].attribute("c:e") == ">")
        #expect(root.children[1].location(ofAttribute: "c:e") == "f.xml:6:22")
        #expect(root.children[1].trimmedText == "inner")
    }

    // Breaks when the mark's three bytes count as columns or confuse the offsets.
    @Test("a byte order mark is accepted and is not a column")
    func byteOrderMark() throws {
        let bytes = [0xEF, 0xBB, 0xBF] + Array("<a><b/></a>".utf8)
        let document = try XMLDocument(bytes: bytes, name: "f.xml")
        #expect(document.root.position == XMLPosition(line: 1, column: 1))
        #expect(document.root.children[0].position == XMLPosition(line: 1, column: 4))
    }

    // Breaks when lines stop at 65,535, the width of the tree's own line number, or when the
    // parser's buffer moves and offsets are counted from its start.
    @Test("positions hold far into a large document")
    func largeDocument() throws {
        let body = (0..<70_000).map { $0 % 7 == 0 ? "<e n=\"\($0)\"/>\n" : "é\n" }.joined()
        let document = try XMLDocument(bytes: Array("<a>\n\(body)</a>".utf8), name: "f.xml")
        for child in document.root.children {
            let number = try #require(Int(child.attribute("n") ?? ""))
            #expect(child.position == XMLPosition(line: number + 2, column: 1))
        }
        #expect(document.root.children.count == 10_000)
    }

    // Breaks when an error loses its message, its line or its column, or when a later error is
    // shown. Versions of the library differ by a few columns in where they notice.
    @Test(
        "a text that is not well-formed is refused where it goes wrong",
        arguments: [
            ("", 1, 1), ("   ", 1, 4), ("<a>", 1, 4), ("<a>\n  <b>\n</a>", 3, 5),
            ("<a x=1/>", 1, 6), ("<a x='1' x='2'/>", 1, 15), ("<a/>\n<b/>", 2, 1),
            ("<a>&none;</a>", 1, 10), ("<a b='&none;'/>", 1, 13), ("<a>\u{1}</a>", 1, 4),
            ("<a>&#0;</a>", 1, 8), ("<q:a/>", 1, 5), ("<a><![CDATA[</a>", 1, 17), ("a", 1, 1),
            ("<a/>x", 1, 5), ("<a b='<'/>", 1, 7),
        ])
    func notWellFormed(text: String, line: Int, column: Int) {
        let error = refusal(of: text)
        #expect(error?.code == .xml)
        let place = (error?.place ?? "").split(separator: ":").compactMap { Int($0) }
        #expect(place.count == 2 && place.first == line)
        #expect(place.last.map { abs($0 - column) <= 3 } == true, "\(String(describing: error))")
        #expect(error?.what.isEmpty == false)
        #expect(error?.what.contains("\n") == false)
    }

    // Breaks when messages of the library come raw to a terminal.
    @Test("control characters of the document do not reach the message")
    func controlCharacters() {
        let error = refusal(of: "<a><\u{9B}31mred></a>")
        #expect(error?.code == .xml)
        let scalars = error?.what.unicodeScalars.map(\.value) ?? []
        #expect(scalars.allSatisfy { $0 >= 0x20 && !(0x7F..<0xA0).contains($0) })
    }

    // Breaks when parser state or errors are shared by threads.
    @Test("documents are parsed by many tasks at once")
    func concurrently() async {
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    let good = refusal(of: "<a><b n='\(index)'/></a>") == nil
                    let bad = refusal(
                        of: String(repeating: "\n", count: index) + "<a><b></a>")
                    return good && bad?.place == "f.xml:\(index + 1):11"
                }
            }
            for await result in group { #expect(result) }
        }
    }
}
