import Glibc
import LinuxSystem
import MigrationModel

/// Cuts what QEMU's monitor sends into messages, one a line, and keeps both size and nesting
/// bounded.
struct QMPLineReader {
    /// The longest message that is accepted, in bytes.
    static let sizeLimit = 16 << 20
    /// How deep objects and arrays may nest; QEMU's own answers stay below 16.
    static let depthLimit = 64

    private var buffer: [UInt8] = []
    private var searched = 0

    /// The next whole message that has arrived, without its line end; `nil` when there is none.
    mutating func next() throws(QMPError) -> [UInt8]? {
        while true {
            guard let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
                searched = buffer.count
                guard buffer.count <= Self.sizeLimit else {
                    throw .malformed("a message of more than \(Self.sizeLimit) bytes")
                }
                return nil
            }
            var line = Array(buffer[..<end])
            buffer.removeFirst(end + 1)
            searched = 0
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if line.isEmpty { continue }
            try Self.checkDepth(line)
            return line
        }
    }

    /// Adds bytes that have arrived.
    mutating func append(_ bytes: some Sequence<UInt8>) { buffer.append(contentsOf: bytes) }

    /// Refuses nesting that would exhaust a recursive decoder.
    static func checkDepth(_ line: [UInt8]) throws(QMPError) {
        var depth = 0
        var inString = false
        var escaped = false
        for byte in line {
            switch byte {
            case _ where escaped: escaped = false
            case UInt8(ascii: "\\") where inString: escaped = true
            case UInt8(ascii: "\""): inString.toggle()
            case _ where inString: break
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                guard depth <= depthLimit else { throw .malformed("nested too deep") }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
    }
}
