import MigrationModel

/// The first line in each direction: plain text, so that a person who runs the agent by hand sees
/// what it is, and so that other text on the connection is recognised at once.
///
/// `LIVEMIG <role> <protocol version> <program version>` and a line feed, at most 128 bytes.
public struct Banner: Hashable, Sendable {
    /// Who speaks.
    public enum Role: String, Hashable, Sendable, CaseIterable {
        case controller, agent, lane
    }

    /// Who speaks.
    public let role: Role
    /// The version of the protocol: both ends must speak the same.
    public let protocolVersion: Int
    /// The version of the program, for people.
    public let programVersion: String

    /// The protocol version of this program.
    public static let currentProtocol = 5
    /// The version of this program.
    public static let currentProgram = "0.1.0"

    /// What this program says first.
    public init(role: Role) {
        self.role = role
        protocolVersion = Self.currentProtocol
        programVersion = Self.currentProgram
    }

    /// Reads a line without its line feed.
    /// - Throws: `banner` with the escaped text for anything else.
    public init(line: String) throws(WireError) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 4, words[0] == "LIVEMIG", let role = Role(rawValue: String(words[1])),
            let version = Int(words[2]), (1...9999).contains(version),
            String(version) == words[2],
            String(words[3]).isPlainName(limit: 32)
        else { throw .banner(line.escaped()) }
        self.role = role
        protocolVersion = version
        programVersion = String(words[3])
    }

    /// The line with its line feed.
    public var line: String {
        "LIVEMIG \(role.rawValue) \(protocolVersion) \(programVersion)\n"
    }
}
