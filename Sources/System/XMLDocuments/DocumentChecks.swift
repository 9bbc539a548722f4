import MigrationModel

/// What is decided about a document before the parser sees it.
enum DocumentChecks {
    /// Refuses what is too long or not UTF-8, and returns the bytes without a byte order mark.
    ///
    /// The parser would follow a declared encoding; the one that is accepted needs no conversion,
    /// so the parser sees the bytes that were checked here.
    static func admitted(
        _ bytes: [UInt8], name: String, limits: ParserLimits
    ) throws(LivemigError) -> [UInt8] {
        guard bytes.count <= limits.bytes else {
            throw LivemigError(
                .xmlLimit, "document of \(bytes.count) bytes is longer than \(limits.bytes)",
                at: name)
        }
        var counter = PositionCounter()
        if let offset = firstOffence(in: bytes) {
            throw LivemigError(
                .xmlLimit, "document is not in UTF-8",
                at: "\(name):\(counter.position(of: offset, in: bytes))",
                fix: "convert it to UTF-8")
        }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes
        if let encoding = declaredEncoding(of: text), !isUTF8(encoding) {
            throw LivemigError(
                .xmlLimit, "encoding \(encoding.escaped()) is not accepted", at: "\(name):1:1",
                fix: "convert the document to UTF-8")
        }
        return text
    }

    /// Whether a declared encoding is UTF-8; names of encodings do not depend on case.
    static func isUTF8(_ encoding: String) -> Bool {
        ["utf-8", "utf8"].contains(encoding.lowercased())
    }

    /// The offset of the first byte that is not UTF-8 text; NUL is in no XML document.
    private static func firstOffence(in bytes: [UInt8]) -> Int? {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var offset = 0
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar):
                guard scalar != "\0" else { return offset }
                offset += UTF8.width(scalar)
            case .error: return offset
            case .emptyInput: return nil
            }
        }
    }

    /// The value of `encoding` in the XML declaration (XML 1.0, production 80).
    ///
    /// - Returns: `nil` without a declaration or without `encoding` in it, and text that is no
    ///   encoding at all when the declaration has several.
    private static func declaredEncoding(of bytes: [UInt8]) -> String? {
        guard bytes.starts(with: "<?xml".utf8) else { return nil }
        let declaration = bytes.prefix { $0 != UInt8(ascii: ">") }
        let pieces = String(decoding: declaration, as: UTF8.self).split(
            separator: "encoding", omittingEmptySubsequences: false)
        guard pieces.count > 1 else { return nil }
        guard pieces.count == 2 else { return "several" }
        let quoted = pieces[1].drop { " \t\r\n=".contains($0) }
        guard let quote = quoted.first else { return "" }
        return String(quoted.dropFirst().prefix { $0 != quote })
    }
}
