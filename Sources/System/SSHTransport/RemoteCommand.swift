public import MigrationModel

/// A command line for a remote login shell that no shell can read in a second way.
///
/// sshd hands the text of an exec request to the user's login shell (sshd(8), LOGIN PROCESS).
/// Words are limited to an alphabet without any character that a shell treats specially, so nothing
/// needs quoting and nothing can be smuggled in.
public struct RemoteCommand: Hashable, Sendable, CustomStringConvertible {
    /// The words joined by single spaces.
    public let text: String

    /// The longest command accepted, in bytes.
    public static let lengthLimit = 4096

    /// Joins words.
    /// - Throws: `E-USAGE` for a word that is empty or has a character outside
    ///   `A–Z a–z 0–9 . _ / @ : + = -`, for a first word with `=` (a shell would read an
    ///   assignment) or a leading `-`, and for a command that is too long.
    public init(_ words: [String]) throws(LivemigError) {
        guard let program = words.first else {
            throw LivemigError(.usage, "empty remote command")
        }
        for word in words where word.isEmpty || !word.utf8.allSatisfy(Self.isAllowed) {
            throw LivemigError(
                .usage, "\(word.escaped()) cannot be part of a remote command",
                fix: "use A–Z a–z 0–9 . _ / @ : + = - only")
        }
        guard !program.utf8.contains(UInt8(ascii: "=")), !program.hasPrefix("-") else {
            throw LivemigError(.usage, "\(program.escaped()) is not the name of a program")
        }
        text = words.joined(separator: " ")
        guard text.utf8.count <= Self.lengthLimit else {
            throw LivemigError(
                .usage, "remote command of \(text.utf8.count) bytes, \(Self.lengthLimit) allowed")
        }
    }

    /// The command line.
    public var description: String { text }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "._/@:+=-".utf8.contains(byte)
        }
    }
}
