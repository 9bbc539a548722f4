import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Frames as they were when they were written down; `LIVEMIG_REGENERATE_GOLDEN=1` in the
/// environment of the test run writes them anew, for a change that is meant.
@Suite("Golden frames")
struct GoldenTests {
    // Broken by: any byte of any message moving, which a program of the same protocol version
    // could no longer read.
    @Test("every message has the bytes it had", arguments: MessageKind.all)
    func golden(kind: MessageKind) throws {
        let path = "Tests/WireProtocolTests/Golden/\(kind.type).hex"
        if Repository.isSet("LIVEMIG_REGENERATE_GOLDEN") {
            try Repository.write(Self.text(of: kind), to: path)
        }
        let text = try Repository.read(path)
        #expect(Self.bytes(of: text) == kind.golden)
        #expect(text == Self.text(of: kind), "the comments no longer fit the bytes")
    }

    // Broken by: a decoder that reads fields in another order than the encoder writes them.
    @Test("every golden frame is read back", arguments: MessageKind.all)
    func readBack(kind: MessageKind) throws {
        let path = "Tests/WireProtocolTests/Golden/\(kind.type).hex"
        let frame = Self.bytes(of: try Repository.read(path))
        let head = try unsafe FrameHeader(
            decoding: frame.span.bytes.extracting(first: FrameHeader.size), expecting: 7)
        let payload = Array(frame.dropFirst(FrameHeader.size))
        try unsafe head.verify(payload.span.bytes)
        #expect(head.type == kind.type.rawValue)
        #expect(try kind.reencode(payload) == payload)
    }

    // Broken by: a message added without a golden frame, or one of two kinds under one number.
    @Test func everyMessageHasAKind() {
        let types = MessageKind.all.map(\.type)
        #expect(Set(types).count == types.count)
        // Batches are coded by the page codec; messages from 192 on never leave a host.
        let wanted = FrameType.allCases.filter { $0 != .batch && $0.rawValue < 192 }
        #expect(Set(types) == Set(wanted))
    }

    private static let header = [
        ("magic", 4), ("type", 2), ("flags", 2), ("length", 4), ("sequence", 4),
        ("checksum of the payload", 8), ("checksum of the 24 bytes before", 8),
    ]

    /// The annotated file of a message.
    private static func text(of kind: MessageKind) -> String {
        var lines = ["# Frame \(kind.type.rawValue), \(kind.type), as number 7 of its direction."]
        var rest = kind.golden[...]
        for (name, size) in header {
            lines += Self.lines(rest.prefix(size), name)
            rest = rest.dropFirst(size)
        }
        var annotator = Annotator(Array(rest))
        annotator.take(kind.layout)
        for (bytes, name) in annotator.lines { lines += Self.lines(bytes, name) }
        if !annotator.rest.isEmpty { lines += Self.lines(annotator.rest, "NOT IN THE LAYOUT") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(_ bytes: ArraySlice<UInt8>, _ name: String) -> [String] {
        stride(from: bytes.startIndex, to: bytes.endIndex, by: 16).map { start in
            let part = bytes[start..<min(start + 16, bytes.endIndex)]
            let digits = part.map { UInt64($0).hexadecimal.suffix(2) }.joined(separator: " ")
            return digits + String(repeating: " ", count: 49 - digits.count) + "# " + name
        }
    }

    /// The bytes of an annotated file.
    private static func bytes(of text: String) -> [UInt8] {
        text.split(separator: "\n").flatMap { line in
            line.prefix { $0 != "#" }.split(separator: " ").compactMap { UInt8($0, radix: 16) }
        }
    }
}
