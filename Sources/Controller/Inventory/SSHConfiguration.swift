public import MigrationModel

/// The ssh_config(5) files of a user, and what they say about hosts.
///
/// Only what is needed to reach a host is taken; what concerns terminals, forwarding and algorithms
/// is passed over. Nothing is executed.
public struct SSHConfiguration: Sendable {
    /// Who asks about which host.
    public struct Query: Sendable {
        /// What was typed for the host, as `ssh` would be given it.
        public var address: String
        /// A further name by which `Host` blocks may mean it.
        public var name: String?
        /// The user to log in as, where that is decided already.
        public var user: String?
        /// The port, where that is decided already.
        public var port: Int?

        /// Asks about a host.
        public init(address: String, name: String? = nil, user: String? = nil, port: Int? = nil) {
            self.address = address
            self.name = name
            self.user = user
            self.port = port
        }
    }

    /// Who runs the command.
    public struct Person: Sendable {
        /// The login name.
        public let name: String
        /// The home folder.
        public let home: String
        /// The environment, for `${…}`.
        public let environment: [String: String]

        /// States who it is.
        public init(name: String, home: String, environment: [String: String] = [:]) {
            self.name = name
            self.home = home
            self.environment = environment
        }
    }

    /// The files, each with its contents on demand; in a test, whatever it likes.
    public struct Reader: Sendable {
        let read: @Sendable (String) throws(LivemigError) -> String?
        let glob: @Sendable (String) -> [String]

        /// - Parameters:
        ///   - read: the text of a file; `nil` when it is not there.
        ///   - glob: the files that a pattern of Include names, sorted.
        public init(
            read: @escaping @Sendable (String) throws(LivemigError) -> String?,
            glob: @escaping @Sendable (String) -> [String]
        ) {
            self.read = read
            self.glob = glob
        }
    }

    let person: Person
    let reader: Reader
    let files: [String]
    static let includeDepth = 16

    /// Takes files in order: what an earlier one says wins.
    public init(files: [String], person: Person, reader: Reader) {
        self.files = files
        self.person = person
        self.reader = reader
    }

    /// What is said about a host.
    /// - Throws: `E-SSHCONFIG` for a file that cannot be understood, and what the reader throws.
    public func settings(for query: Query) throws(LivemigError) -> SSHSettings {
        var evaluation = SSHConfigurationEvaluation(self, query)
        for file in files { try evaluation.run(file: file, depth: 0, isActive: true) }
        if evaluation.sawFinal {
            evaluation.isFinal = true
            for file in files { try evaluation.run(file: file, depth: 0, isActive: true) }
        }
        return evaluation.settings
    }

    /// Replaces the tokens of ssh_config(5), `${…}` and a leading `~`.
    public func expand(
        _ text: String, _ query: Query, _ settings: SSHSettings
    ) throws(LivemigError) -> String {
        let host = settings.hostName ?? query.address
        let values: [Character: String] = [
            "h": host, "n": query.address, "k": settings.hostKeyAlias ?? query.address,
            "p": String(query.port ?? settings.port ?? HostRecord.defaultPort),
            "r": query.user ?? settings.user ?? HostRecord.defaultUser, "u": person.name,
            "d": person.home, "%": "%",
        ]
        var result = ""
        var rest = text[...]
        if rest == "~" || rest.hasPrefix("~/") { result = person.home; rest = rest.dropFirst() }
        while let next = rest.popFirst() {
            if next == "%" {
                guard let token = rest.popFirst(), let value = values[token] else {
                    throw LivemigError(
                        .sshConfiguration, "a token in \(text.escaped()) is not supported",
                        fix: "use %h %n %k %p %r %u %d %%")
                }
                result += value
            } else if next == "$", rest.first == "{", let end = rest.firstIndex(of: "}") {
                let name = String(rest[rest.index(after: rest.startIndex)..<end])
                guard let value = person.environment[name] else {
                    throw LivemigError(
                        .sshConfiguration,
                        "\(text.escaped()) names \(name.escaped()), which is "
                            + "not in the environment")
                }
                result += value
                rest = rest[rest.index(after: end)...]
            } else {
                result.append(next)
            }
        }
        return result
    }
}
