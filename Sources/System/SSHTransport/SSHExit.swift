import MigrationModel

/// How a remote command ended.
public struct SSHExit: Hashable, Sendable {
    /// The exit status; `nil` when a signal ended it, or the connection did not live to tell.
    ///
    /// A shell that cannot find the program reports 127.
    public let status: Int32?
    /// The last lines of its standard error, each escaped, at most 4 KiB in all.
    public let errorLines: [String]

    /// States how a command ended.
    public init(status: Int32?, errorLines: [String] = []) {
        self.status = status
        self.errorLines = errorLines
    }

    /// The last line of standard error, escaped; empty when there was none.
    public var lastError: String { errorLines.last ?? "" }
}

/// The end of a remote command's standard error, kept within bounds.
struct ErrorTail {
    /// How many bytes are kept.
    static let limit = 4096
    private var bytes: [UInt8] = []
    private var line: [UInt8] = []
    private let onLine: (@Sendable (String) -> Void)?

    /// - Parameter onLine: called with every line, escaped; lines are cut after 4 KiB.
    init(onLine: (@Sendable (String) -> Void)? = nil) { self.onLine = onLine }

    mutating func append(_ more: [UInt8]) {
        bytes.append(contentsOf: more)
        bytes.removeFirst(max(0, bytes.count - Self.limit))
        guard let onLine else { return }
        for byte in more {
            if byte != UInt8(ascii: "\n") { line.append(byte) }
            if byte == UInt8(ascii: "\n") || line.count >= Self.limit {
                onLine(Self.text(line))
                line.removeAll(keepingCapacity: true)
            }
        }
    }

    /// Reports a last line that had no end.
    mutating func finish() {
        if !line.isEmpty { onLine?(Self.text(line)) }
        line = []
    }

    var lines: [String] { bytes.split(separator: UInt8(ascii: "\n")).map { Self.text(Array($0)) } }

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).escaped()
    }
}
