/// An element of a parsed document: a value of its own that outlives the document.
public struct XMLElement: Hashable, Sendable {
    /// The name as written, with the namespace prefix where there is one (`qemu:commandline`).
    public let name: String
    /// The attributes in order; namespace declarations come first, as `xmlns` or `xmlns:prefix`.
    public let attributes: [XMLAttribute]
    /// The elements directly below, in order.
    public let children: [XMLElement]
    /// The character data directly below, references resolved, comments left out.
    public let text: String
    /// Where the start tag opens.
    public let position: XMLPosition
    /// The name of the document, as given to the parser.
    public let document: String

    /// The line of the start tag, from 1.
    public var line: Int { position.line }

    /// `file:line:column` of the start tag.
    public var location: String { "\(document):\(position)" }

    /// The value of an attribute; `nil` when it is absent.
    public func attribute(_ name: String) -> String? {
        attributes.first { $0.name == name }?.value
    }

    /// `file:line:column` of an attribute, of the element when the attribute is absent.
    public func location(ofAttribute name: String) -> String {
        guard let found = attributes.first(where: { $0.name == name }) else { return location }
        return "\(document):\(found.position)"
    }

    /// The character data without white space (XML 1.0, production 3) at either end.
    public var trimmedText: String {
        let scalars = text.unicodeScalars
        let isSpace: (Unicode.Scalar) -> Bool = { " \t\r\n".unicodeScalars.contains($0) }
        guard let first = scalars.firstIndex(where: { !isSpace($0) }),
            let last = scalars.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(scalars[first...last])
    }
}

/// An attribute of a parsed element.
public struct XMLAttribute: Hashable, Sendable {
    /// The name as written.
    public let name: String
    /// The normalised value, references resolved.
    public let value: String
    /// Where the name stands.
    public let position: XMLPosition
}
