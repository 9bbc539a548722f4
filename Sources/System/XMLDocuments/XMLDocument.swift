import CLibXML2
public import MigrationModel

/// A parsed document: the library's tree for schema validation, and its content as values.
///
/// Parsing loads nothing, expands nothing and keeps `ParserLimits`; a document type declaration is
/// refused before it is read (XXE and entity expansion have no other door). Documents of different
/// threads do not share anything.
@safe public struct XMLDocument: ~Copyable {
    /// The name that errors carry, usually the file's path.
    public let name: String
    /// The document element.
    public let root: XMLElement
    let tree: UnsafeMutablePointer<xmlDoc>
    let reader: TreeReader

    /// Parses UTF-8 text.
    /// - Parameters:
    ///   - bytes: the document, with or without a byte order mark.
    ///   - name: what errors call the document.
    ///   - limits: how much is accepted.
    /// - Throws: `E-XML` when not well-formed, `E-XML-DTD`, `E-XML-LIMIT`, `E-XML-UNSUPPORTED` for
    ///   a processing instruction; each with `name:line:column`.
    public init(
        bytes: [UInt8], name: String, limits: ParserLimits = .standard
    ) throws(LivemigError) {
        let text = try DocumentChecks.admitted(bytes, name: name, limits: limits)
        let parser = DocumentParser(bytes: text, name: name, limits: limits)
        let tree = unsafe try parser.parse()
        let reader = TreeReader(tags: parser.tags, document: name)
        if let error = unsafe Self.objection(to: tree, name: name) {
            unsafe xmlFreeDoc(tree)
            throw error
        }
        guard let top = unsafe xmlDocGetRootElement(tree) else {
            unsafe xmlFreeDoc(tree)
            throw LivemigError(.xml, "the document has no element", at: "\(name):1:1")
        }
        self.name = name
        root = unsafe reader.element(top)
        unsafe self.tree = unsafe tree
        self.reader = reader
    }

    deinit { unsafe xmlFreeDoc(tree) }

    /// Reads and parses a regular file, without following a symbolic link at its end.
    /// - Throws: as `init(bytes:name:limits:)`, and `E-FILE` when it cannot be read, `E-FILETYPE`
    ///   when it is not a regular file.
    public static func read(
        path: String, limits: ParserLimits = .standard
    ) throws(LivemigError) -> XMLDocument {
        let bytes = try DocumentFile.read(path: path, limit: limits.bytes)
        return try XMLDocument(bytes: bytes, name: path, limits: limits)
    }

    /// A second lock behind the hooks and the checks of the text.
    private static func objection(
        to tree: UnsafeMutablePointer<xmlDoc>, name: String
    ) -> LivemigError? {
        if unsafe tree.pointee.intSubset != nil || tree.pointee.extSubset != nil {
            return LivemigError(
                .xmlDTD, "document type declarations are not accepted", at: "\(name):1:1")
        }
        let encoding = unsafe String(library: tree.pointee.encoding)
        guard encoding.isEmpty || DocumentChecks.isUTF8(encoding) else {
            return LivemigError(
                .xmlLimit, "encoding \(encoding.escaped()) is not accepted", at: "\(name):1:1",
                fix: "convert the document to UTF-8")
        }
        return nil
    }
}
