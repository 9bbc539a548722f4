import MigrationModel
import Testing
import XMLDocuments

@Suite("Hostile documents")
struct HostileDocumentTests {
    static let laughs: String = {
        var text = "<!DOCTYPE l [<!ENTITY l0 \"ha\">"
        for level in 1...20 {
            let reference = String(repeating: "&l\(level - 1);", count: 10)
            text += "<!ENTITY l\(level) \"\(reference)\">"
        }
        return text + "]><l>&l20;</l>"
    }()

    // Breaks when a declaration is read before it is refused, or can be hidden from the refusal.
    @Test(
        "a document type declaration is refused at its place",
        arguments: [
            ("<!DOCTYPE a><a/>", 1, 1),
            ("<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'a.dtd'><a/>", 2, 1),
            ("<!-- <a> --><!-- --> <!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", 1, 22),
            ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><a>&x;</a>", 1, 1),
            ("<!DOCTYPE a PUBLIC '-//X//Y' 'http://127.0.0.1:1/x.dtd' []><a/>", 1, 1),
            ("<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a/>", 1, 1),
            ("<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a/>", 1, 1),
            ("<!DOCTYPE\n\ta\n[<!ELEMENT a ANY>\n]\n>\n<a/>", 1, 1),
            (laughs, 1, 1),
        ])
    func documentType(text: String, line: Int, column: Int) {
        let error = refusal(of: text)
        #expect(error?.code == .xmlDTD)
        #expect(error?.place == "f.xml:\(line):\(column)")
    }

    // Breaks when a mention of a declaration is taken for one.
    @Test(
        "text that looks like a declaration is only text",
        arguments: [
            "<a><!-- <!DOCTYPE a> --></a>", "<!-- <!DOCTYPE a [ --><a/>",
            "<a><![CDATA[<!DOCTYPE a>]]></a>", "<a b='!DOCTYPE'/>",
        ])
    func onlyText(text: String) {
        #expect(refusal(of: text) == nil)
    }

    // Breaks when a processing instruction is ignored, as everything unsupported must not be.
    @Test("a processing instruction is refused by name")
    func processingInstruction() {
        let error = refusal(of: "<a>\n <?xml-stylesheet href='x'?></a>")
        #expect(error?.code == .xmlUnsupported)
        #expect(error?.what.contains("xml-stylesheet") == true)
        #expect(error?.place == "f.xml:2:2")
    }

    // Breaks when a limit is off by one, or is not looked at before the tree grows.
    @Test("nesting is bounded")
    func nesting() {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(refusal(of: nested(64)) == nil)
        let error = refusal(of: nested(65))
        #expect(error?.code == .xmlLimit)
        #expect(error?.place == "f.xml:1:193")
        #expect(refusal(of: nested(100_000))?.code == .xmlLimit)
    }

    // Breaks when siblings count as depth.
    @Test("siblings do not add to the depth")
    func siblings() {
        #expect(refusal(of: "<a>" + String(repeating: "<b></b>", count: 1000) + "</a>") == nil)
    }

    // Breaks when an attribute's length is not that of its value.
    @Test("the length of an attribute is bounded")
    func attributeLength() {
        let limit = ParserLimits.standard.attributeBytes
        #expect(refusal(of: "<a b='\(String(repeating: "x", count: limit))'/>") == nil)
        let error = refusal(of: "<a>\n<b c='\(String(repeating: "x", count: limit + 1))'/></a>")
        #expect(error?.code == .xmlLimit)
        #expect(error?.place == "f.xml:2:1")
    }

    // Breaks when attributes or namespace declarations are not counted as nodes.
    @Test("the number of elements, attributes and declarations is bounded")
    func nodes() {
        let many = String(repeating: "<b/>", count: 49_999)
        #expect(refusal(of: "<a>\(many)</a>") == nil)
        #expect(refusal(of: "<a>\(many)<b/></a>")?.code == .xmlLimit)
        let small = ParserLimits(bytes: 1000, depth: 4, nodes: 3, attributeBytes: 10)
        #expect(refusal(of: "<a b='' c=''/>", limits: small) == nil)
        #expect(refusal(of: "<a b='' c='' d=''/>", limits: small)?.code == .xmlLimit)
        #expect(refusal(of: "<a xmlns:b='b' xmlns:c='c'/>", limits: small) == nil)
        #expect(
            refusal(of: "<a xmlns:b='b' xmlns:c='c' d=''/>", limits: small)?.code == .xmlLimit)
    }

    // Breaks when one element with very many attributes costs quadratic time.
    @Test("many attributes on one element are read in little time", .timeLimit(.minutes(1)))
    func manyAttributes() {
        let attributes = (0..<40_000).map { "a\($0)=''" }.joined(separator: " ")
        #expect(refusal(of: "<a \(attributes)/>") == nil)
    }

    // Breaks when another encoding gets past the checks of the text.
    @Test(
        "only UTF-8 is accepted",
        arguments: [
            [0xFF, 0xFE] + "<a/>".utf8.flatMap { [$0, 0] },
            [0xFE, 0xFF] + "<a/>".utf8.flatMap { [0, $0] },
            "<a/>".utf8.flatMap { [$0, 0] }, "<a/>".utf8.flatMap { [0, 0, 0, $0] },
            [UInt8]("<a>".utf8) + [0xE9] + "</a>".utf8, [UInt8]("<a>".utf8) + [0xC0, 0x80],
            [UInt8]("<a>".utf8) + [0xED, 0xA0, 0x80], [UInt8]("<a/>".utf8) + [0],
            [0x4C, 0x6F, 0xA7, 0x94, 0x93],
            [UInt8]("<?xml version='1.0' encoding='UTF-16'?><a/>".utf8),
            [UInt8]("<?xml version='1.0' encoding='ISO-8859-1'?><a/>".utf8),
            [UInt8]("<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE a><a/>".utf8),
            [UInt8]("<?xml version='1.0'\n encoding = \"us-ascii\"?><a/>".utf8),
            [UInt8]("<?xml version='encoding=\"utf-8\"' encoding='UTF-7'?><a/>".utf8),
        ] as [[UInt8]])
    func encodings(bytes: [UInt8]) {
        #expect(refusal(of: bytes)?.code == .xmlLimit)
    }

    // Breaks when the place of a byte that is not UTF-8 is lost.
    @Test("the place of a wrong byte is told")
    func wrongByte() {
        let error = refusal(of: [UInt8]("<a>\né ".utf8) + [0xE9] + "</a>".utf8)
        #expect(error?.place == "f.xml:2:3")
    }
}
