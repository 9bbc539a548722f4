import MigrationModel
import Testing
import XMLDocuments

@Suite("Schema")
struct SchemaTests {
    static let source = """
        <element name="a" xmlns="http://relaxng.org/ns/structure/1.0"
                 datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
          <interleave>
            <element name="n"><data type="unsignedInt"/></element>
            <optional><element name="b"><attribute name="c"><value>x</value></attribute></element></optional>
          </interleave>
        </element>
        """

    private func refusal(of text: String) throws -> LivemigError? {
        let schema = try XMLSchema(source: Array(Self.source.utf8), name: "test.rng")
        let document = try XMLDocument(bytes: Array(text.utf8), name: "f.xml")
        do throws(LivemigError) {
            try schema.validate(document)
            return nil
        } catch {
            return error
        }
    }

    // Breaks when validation answers without looking.
    @Test("documents that follow the schema pass, in any order of an interleave")
    func accepted() throws {
        #expect(try refusal(of: "<a><n>1</n></a>") == nil)
        #expect(try refusal(of: "<a><b c='x'/><n>1</n></a>") == nil)
    }

    // Breaks when the deviation's line and column are those of an enclosing element.
    @Test(
        "the first deviation is told with its place",
        arguments: [
            ("<a>\n  <n>x</n></a>", "2:3"), ("<z/>", "1:1"), ("<a/>", "1:1"),
            ("<a><n>1</n>\n <d/></a>", "2:2"), ("<a><n>1</n>\n\n <b c='y'/></a>", "3:2"),
        ])
    func refused(text: String, place: String) throws {
        let error = try #require(try refusal(of: text))
        #expect(error.code == .xmlSchema)
        #expect(error.place == "f.xml:\(place)", "\(error)")
        #expect(!error.what.isEmpty)
    }

    // Breaks when a broken schema is taken for one that accepts everything.
    @Test("a text that is no schema does not compile")
    func notASchema() {
        #expect(throws: LivemigError.self) {
            _ = try XMLSchema(source: Array("<a/>".utf8), name: "test.rng")
        }
    }
}

@Suite("Writing")
struct WriterTests {
    // Breaks when a character that has a meaning in XML is written as it is, or is lost on reading.
    @Test(
        "values come back as they were",
        arguments: [
            "", "plain", "<&>\"'", "]]>", "é 漢 😀", "a\nb\tc\rd", "<!-- x -->", "&amp;",
        ])
    func roundTrip(value: String) throws {
        let content = XMLContent(
            "a", ["b": value, "none": nil],
            children: [XMLContent("c", text: value), XMLContent("d")])
        let text = try content.document()
        let document = try XMLDocument(bytes: Array(text.utf8), name: "f.xml")
        #expect(document.root.attributes.map(\.name) == ["b"])
        #expect(document.root.attribute("b") == value)
        #expect(document.root.children.map(\.name) == ["c", "d"])
        #expect(document.root.children[0].text == value)
    }

    // Breaks when the library's escape for characters that XML cannot hold is written to a file
    // that nothing can read again.
    @Test(
        "a character that no document can hold is refused",
        arguments: ["\u{0}", "\u{1B}[31m", "\u{FFFE}"])
    func forbidden(value: String) {
        let error = #expect(throws: LivemigError.self) {
            try XMLContent("a", text: "x\(value)").document()
        }
        #expect(error?.code == .xml)
        #expect(throws: LivemigError.self) { try XMLContent("a", ["b": value]).document() }
    }

    // Breaks when the text changes without anybody deciding so: these files are read by people.
    @Test("documents are indented and say their encoding")
    func layout() throws {
        let text = try XMLContent("a", children: [XMLContent("b", ["c": "1"])]).document()
        #expect(
            text == """
                <?xml version="1.0" encoding="UTF-8"?>
                <a>
                  <b c="1"/>
                </a>

                """)
    }
}
