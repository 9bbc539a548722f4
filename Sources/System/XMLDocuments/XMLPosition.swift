/// A place in a document, counted from 1 as editors do.
public struct XMLPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The line, from 1; lines end with a line feed.
    public let line: Int
    /// The column, from 1, in Unicode scalars.
    public let column: Int

    /// States a place.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Earlier places order first.
    public static func < (left: XMLPosition, right: XMLPosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    /// `line:column`.
    public var description: String { "\(line):\(column)" }
}

/// Turns byte offsets into positions, going forward only, so that a whole document costs one pass.
struct PositionCounter {
    private var offset = 0
    private var line = 1
    private var column = 1

    /// The position of `target`, which lies at or after every offset asked for before.
    mutating func position(of target: Int, in bytes: [UInt8]) -> XMLPosition {
        while offset < min(target, bytes.count) {
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0b1100_0000 != 0b1000_0000 {
                column += 1
            }
            offset += 1
        }
        return XMLPosition(line: line, column: column)
    }
}

/// Where a start tag and each of its attributes stand in the text.
struct StartTag {
    var position: XMLPosition
    /// Positions of the attributes by the name as written, namespace declarations included.
    var attributes: [String: XMLPosition]

    /// Finds the start tag that the parser has read up to `end`, its closing `>` not included.
    ///
    /// No `<` can stand inside a start tag (XML 1.0, production 40 and the constraint "No < in
    /// Attribute Values"), so the last one before `end` opens it.
    /// - Returns: `nil` when the text before `end` is not a start tag of that name.
    static func ending(
        at end: Int, name: String, in bytes: [UInt8], counter: inout PositionCounter
    ) -> StartTag? {
        guard end <= bytes.count,
            let start = bytes[..<end].lastIndex(of: UInt8(ascii: "<")),
            bytes[(start + 1)..<end].starts(with: name.utf8)
        else { return nil }
        var tag = StartTag(position: counter.position(of: start, in: bytes), attributes: [:])
        var index = start + 1 + name.utf8.count
        while let found = attribute(in: bytes, from: index, to: end) {
            let position = counter.position(of: found.name.lowerBound, in: bytes)
            tag.attributes[String(decoding: bytes[found.name], as: UTF8.self)] = position
            index = found.end
        }
        return tag
    }

    /// The next `name = "value"` of well-formed text and the offset after its closing quote.
    private static func attribute(
        in bytes: [UInt8], from: Int, to end: Int
    ) -> (name: Range<Int>, end: Int)? {
        let spaces = " \t\r\n".utf8
        guard let start = bytes[from..<end].firstIndex(where: { !spaces.contains($0) }),
            let equals = bytes[start..<end].firstIndex(of: UInt8(ascii: "=")),
            let open = bytes[equals..<end].firstIndex(where: { "\"'".utf8.contains($0) }),
            let close = bytes[(open + 1)..<end].firstIndex(of: bytes[open])
        else { return nil }
        let nameEnd = bytes[start..<equals].firstIndex(where: spaces.contains) ?? equals
        return (start..<nameEnd, close + 1)
    }
}
