/// Why sudo(8) did not run an agent, by what it wrote to standard error.
public struct SudoRefusal: Hashable, Sendable {
    /// sudo's own words.
    public let words: String
    /// Whether sudo itself is missing.
    public let isMissing: Bool

    /// Reads the last lines of a command's standard error; `nil` where sudo is not heard.
    public init?(_ lines: [String]) {
        let plain = lines.map { line in
            line.hasPrefix("\"") && line.hasSuffix("\"") && line.count > 1
                ? String(line.dropFirst().dropLast()) : line
        }.filter { !$0.contains("unable to resolve host") }
        isMissing = plain.contains {
            $0.contains("sudo: command not found") || $0.contains("sudo: not found")
                || $0.hasSuffix("Unknown command: sudo")
        }
        let found = plain.last {
            $0.hasPrefix("sudo: ") || $0.contains("sudo: ") || $0.contains("is not in the sudoers")
                || $0.contains("is not allowed to execute")
                || $0.contains("is not allowed to run sudo")
        }
        guard let found else { return nil }
        words = found
    }

    /// The error, which says what is missing.
    public func error(at place: String) -> LivemigError {
        LivemigError(.become, "sudo does not run the agent: \(words)", at: place, fix: fix)
    }

    private var fix: String {
        if isMissing { return "install sudo there, or log in as root" }
        if words.contains("tty") {
            return "add the rule Defaults:USER !requiretty to /etc/sudoers.d/livemig there"
        }
        if words.contains("command not found") {
            return "install livemig-agent there, or name it with host add --agent"
        }
        return "add the rule USER ALL=(root) NOPASSWD: AGENT serve *, AGENT lane * to "
            + "/etc/sudoers.d/livemig there, with the agent's path as the inventory has it"
    }
}
