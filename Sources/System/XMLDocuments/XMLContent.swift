import CLibXML2
public import MigrationModel

/// An element to be written; all escaping is done by the library.
public struct XMLContent: Hashable, Sendable {
    /// The name, chosen by the program, never by input.
    public var name: String
    /// The attributes in order.
    public var attributes: [(String, String)] { pairs.map { ($0.name, $0.value) } }
    /// The character data, written before the children.
    public var text: String?
    /// The elements below.
    public var children: [XMLContent]
    private var pairs: [Pair]

    private struct Pair: Hashable, Sendable {
        var name: String
        var value: String
    }

    /// States an element; attributes whose value is `nil` are left out.
    public init(
        _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], text: String? = nil,
        children: [XMLContent] = []
    ) {
        self.name = name
        self.text = text
        self.children = children
        pairs = attributes.compactMap { name, value in value.map { Pair(name: name, value: $0) } }
    }

    /// The document with this element as its root: UTF-8, indented by two spaces.
    /// - Throws: `E-XML` when a value holds a character that no XML document can hold (XML 1.0,
    ///   production 2), whatever its escaping.
    public func document() throws(LivemigError) -> String {
        guard LibXML2.isReady, let buffer = unsafe xmlBufferCreate() else {
            throw LivemigError(.resource, "no memory to write XML")
        }
        defer { unsafe xmlBufferFree(buffer) }
        guard let writer = unsafe xmlNewTextWriterMemory(buffer, 0) else {
            throw LivemigError(.resource, "no memory to write XML")
        }
        unsafe try Self.write(self, to: writer)
        return unsafe String(library: xmlBufferContent(buffer))
    }

    /// Writes a whole document and frees the writer, which hands over what it still holds.
    private static func write(_ root: XMLContent, to writer: xmlTextWriterPtr) throws(LivemigError)
    {
        defer { unsafe xmlFreeTextWriter(writer) }
        unsafe try check(xmlTextWriterSetIndent(writer, 1))
        unsafe try check(xmlTextWriterSetIndentString(writer, "  "))
        unsafe try check(xmlTextWriterStartDocument(writer, "1.0", "UTF-8", nil))
        unsafe try root.write(to: writer)
        unsafe try check(xmlTextWriterEndDocument(writer))
    }

    private func write(to writer: xmlTextWriterPtr) throws(LivemigError) {
        unsafe try Self.check(xmlTextWriterStartElement(writer, name))
        for pair in pairs {
            try Self.checkCharacters(pair.value, in: "\(pair.name) of <\(name)>")
            unsafe try Self.check(xmlTextWriterWriteAttribute(writer, pair.name, pair.value))
        }
        if let text {
            try Self.checkCharacters(text, in: "<\(name)>")
            unsafe try Self.check(xmlTextWriterWriteString(writer, text))
        }
        for child in children { unsafe try child.write(to: writer) }
        unsafe try Self.check(xmlTextWriterEndElement(writer))
    }

    private static func check(_ result: Int32) throws(LivemigError) {
        guard result >= 0 else { throw LivemigError(.resource, "no memory to write XML") }
    }

    private static func checkCharacters(_ text: String, in place: String) throws(LivemigError) {
        let isWritable = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0x9, 0xA, 0xD, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
            default: false
            }
        }
        guard isWritable else {
            throw LivemigError(
                .xml, "\(text.escaped()) cannot be written to XML", at: place,
                fix: "remove the control characters")
        }
    }
}
