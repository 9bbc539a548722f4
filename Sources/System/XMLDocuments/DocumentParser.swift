import CLibXML2
import MigrationModel

/// One run of the parser: the library builds its tree, the hooks here keep the limits, refuse what
/// must not be expanded, and record where each element stands.
final class DocumentParser {
    /// The text without byte order mark.
    let bytes: [UInt8]
    let name: String
    let limits: ParserLimits
    /// One for each element, in the order of the document; an element's `_private` is its index +
    /// 1.
    private(set) var tags: [StartTag] = []
    /// The first thing refused here; the parser was stopped at it.
    private var refusal: LivemigError?
    /// The first error that the library reported.
    private var report: LibraryReport?
    private var counter = PositionCounter()
    private var depth = 0
    private var nodes = 0

    init(bytes: [UInt8], name: String, limits: ParserLimits) {
        self.bytes = bytes
        self.name = name
        self.limits = limits
    }

    /// Parses the bytes; the caller frees the tree.
    /// - Throws: `E-XML`, `E-XML-DTD`, `E-XML-LIMIT` or `E-XML-UNSUPPORTED` with the place.
    func parse() throws(LivemigError) -> UnsafeMutablePointer<xmlDoc> {
        guard LibXML2.isReady, let context = unsafe xmlNewParserCtxt() else {
            throw LivemigError(.resource, "no memory for an XML parser", at: name)
        }
        defer { unsafe xmlFreeParserCtxt(context) }
        unsafe context.pointee._private = Unmanaged.passUnretained(self).toOpaque()
        unsafe Self.install(on: context.pointee.sax)
        let tree = unsafe bytes.withUnsafeBytes { buffer in
            unsafe xmlCtxtReadMemory(
                context, buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(buffer.count), nil, nil, LibXML2.options)
        }
        if let error = failure(hasTree: unsafe tree != nil) {
            unsafe xmlFreeDoc(tree)
            throw error
        }
        guard let tree = unsafe tree else { throw LivemigError(.internal, "no tree", at: name) }
        return unsafe tree
    }

    /// What went wrong, the cause before its consequences.
    private func failure(hasTree: Bool) -> LivemigError? {
        if let refusal { return refusal }
        if let report {
            return LivemigError(.xml, report.message, at: "\(name):\(report.position)")
        }
        return hasTree ? nil : LivemigError(.xml, "the document is empty", at: "\(name):1:1")
    }

    // MARK: What the hooks do

    /// The parser's state behind the library's callback argument, which is the parser context.
    static func of(_ context: UnsafeMutablePointer<xmlParserCtxt>) -> DocumentParser? {
        guard let state = unsafe context.pointee._private else { return nil }
        return unsafe Unmanaged<DocumentParser>.fromOpaque(state).takeUnretainedValue()
    }

    /// Keeps the first error; what follows a fatal error is its consequence.
    func record(_ found: LibraryReport) {
        if report == nil { report = found }
    }

    /// Keeps the first refusal and stops the parser where it stands.
    func refuse(_ error: LivemigError, _ context: UnsafeMutablePointer<xmlParserCtxt>) {
        if refusal == nil { refusal = error }
        unsafe xmlStopParser(context)
    }

    /// Refuses something that the parser has just read, placed where `opening` stands.
    func refuse(
        _ code: ErrorCode, _ what: String, opening: String,
        _ context: UnsafeMutablePointer<xmlParserCtxt>
    ) {
        let end = min(max(unsafe livemig_xml_consumed(context), 0), bytes.count)
        let pattern = Array(opening.utf8)
        var start = end - min(end, pattern.count)
        while start > 0, !bytes[start...].starts(with: pattern) { start -= 1 }
        let place = "\(name):\(counter.position(of: start, in: bytes))"
        unsafe refuse(LivemigError(code, what, at: place), context)
    }

    /// Counts a start tag against the limits and notes its position.
    /// - Returns: whether the tree may grow by it.
    func opened(
        _ name: String, attributeLengths: [Int], declarations: Int,
        _ context: UnsafeMutablePointer<xmlParserCtxt>
    ) -> Bool {
        let end = unsafe livemig_xml_consumed(context)
        let found = StartTag.ending(at: end, name: name, in: bytes, counter: &counter)
        let tag = unsafe found ?? StartTag(position: Self.position(of: context), attributes: [:])
        depth += 1
        nodes += 1 + attributeLengths.count + declarations
        guard let excess = excess(longestAttribute: attributeLengths.max() ?? 0) else {
            tags.append(tag)
            return true
        }
        unsafe refuse(LivemigError(.xmlLimit, excess, at: "\(self.name):\(tag.position)"), context)
        return false
    }

    func closed() { depth -= 1 }

    private func excess(longestAttribute: Int) -> String? {
        if depth > limits.depth { return "elements are nested deeper than \(limits.depth)" }
        if nodes > limits.nodes {
            return "document has more than \(limits.nodes) elements and attributes"
        }
        if longestAttribute > limits.attributeBytes {
            return "an attribute is longer than \(limits.attributeBytes) bytes"
        }
        return nil
    }

    /// Where the library's cursor stands: behind the tag, for want of anything better.
    private static func position(
        of context: UnsafeMutablePointer<xmlParserCtxt>
    ) -> XMLPosition {
        unsafe XMLPosition(
            line: max(Int(xmlSAX2GetLineNumber(context)), 1),
            column: max(Int(xmlSAX2GetColumnNumber(context)), 1))
    }
}
