public import MigrationModel

/// What ssh_config(5) says about one host, first value found.
public struct SSHSettings: Hashable, Sendable {
    /// `HostName`.
    public var hostName: String?
    /// `Port`.
    public var port: Int?
    /// `User`.
    public var user: String?
    /// `IdentityFile`, all of them; `none` is kept.
    public var identityFiles: [String] = []
    /// `CertificateFile`, all of them.
    public var certificateFiles: [String] = []
    /// `IdentitiesOnly`.
    public var identitiesOnly: Bool?
    /// `IdentityAgent`.
    public var identityAgent: String?
    /// `ProxyJump`, `none` included.
    public var proxyJump: String?
    /// `UserKnownHostsFile`.
    public var userKnownHosts: [String]?
    /// `GlobalKnownHostsFile`.
    public var globalKnownHosts: [String]?
    /// `HostKeyAlias`.
    public var hostKeyAlias: String?
    /// `ConnectTimeout`.
    public var connectTimeout: Duration?
    /// `BindAddress`.
    public var bindAddress: String?
    /// 4 or 6 by `AddressFamily`.
    public var ipVersion: Int?
    /// What decides whether the host can be reached and is not supported: keyword and place.
    public var unsupported: String?
    var proxyIsDecided = false
    var familyIsDecided = false
    var isCanonicalized: Bool?
    var tag: String?

    /// Nothing said.
    public init() {}
}

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

/// One walk through the files for one host.
struct SSHConfigurationEvaluation {
    private let configuration: SSHConfiguration
    private let query: SSHConfiguration.Query
    private(set) var settings = SSHSettings()
    /// Whether this is the second walk, for which `Match final` holds.
    var isFinal = false
    private(set) var sawFinal = false

    init(_ configuration: SSHConfiguration, _ query: SSHConfiguration.Query) {
        self.configuration = configuration
        self.query = query
    }

    /// What a block applies to.
    private struct Block {
        var isActive: Bool
        /// Whether the address that was typed is meant, and not only the inventory's name.
        var meansAddress = true
    }

    mutating func run(
        file: String, depth: Int, isActive: Bool
    ) throws(LivemigError) {
        guard depth <= SSHConfiguration.includeDepth else {
            throw LivemigError(.sshConfiguration, "Include goes too deep", at: file)
        }
        guard let text = try configuration.reader.read(file) else { return }
        var block = Block(isActive: isActive)
        for line in try SSHConfigurationLine.parse(text, path: file) {
            switch line.keyword {
            case "host":
                block = hostBlock(line, isActive)
            case "match":
                block = Block(isActive: isActive ? try matches(line) : false)
            case "include":
                guard block.isActive else { continue }
                for pattern in line.arguments {
                    try include(pattern, from: file, depth, block.isActive)
                }
            default:
                if block.isActive { try take(line, block) }
            }
        }
    }

    private mutating func include(
        _ pattern: String, from file: String, _ depth: Int, _ isActive: Bool
    ) throws(LivemigError) {
        var path = try configuration.expand(pattern, query, settings)
        if !path.hasPrefix("/") {
            path =
                (file.hasPrefix("/etc/ssh/") ? "/etc/ssh" : configuration.person.home + "/.ssh")
                + "/" + path
        }
        for file in configuration.reader.glob(path) {
            try run(file: file, depth: depth + 1, isActive: isActive)
        }
    }

    // MARK: Blocks

    private func hostBlock(_ line: SSHConfigurationLine, _ isActive: Bool) -> Block {
        let names = [query.address] + (query.name.map { [$0] } ?? [])
        return Block(
            isActive: isActive && SSHPattern.matches(line.arguments, names),
            meansAddress: SSHPattern.matches(line.arguments, [query.address]))
    }

    private mutating func matches(_ line: SSHConfigurationLine) throws(LivemigError) -> Bool {
        var words = line.arguments[...]
        var isMatch = true
        while var criterion = words.popFirst()?.lowercased() {
            let isNegated = criterion.hasPrefix("!")
            if isNegated { criterion.removeFirst() }
            if let equals = criterion.firstIndex(of: "=") {
                words.insert(
                    String(criterion[criterion.index(after: equals)...]), at: words.startIndex)
                criterion = String(criterion[..<equals])
            }
            let result = try holds(criterion, &words, line, isMatch)
            if result == isNegated { isMatch = false }
        }
        return isMatch
    }

    private mutating func holds(
        _ criterion: String, _ words: inout ArraySlice<String>, _ line: SSHConfigurationLine,
        _ isMatch: Bool
    ) throws(LivemigError) -> Bool {
        switch criterion {
        case "all": return true
        case "canonical": return false
        case "final":
            sawFinal = true
            return isFinal
        default: break
        }
        guard let argument = words.popFirst() else {
            throw LivemigError(
                .sshConfiguration, "Match \(criterion.escaped()) has no value", at: line.place)
        }
        let patterns = argument.split(separator: ",").map(String.init)
        let user = query.user ?? settings.user ?? HostRecord.defaultUser
        switch criterion {
        case "host":
            let name = settings.hostName ?? query.address
            return SSHPattern.matches(
                patterns, [name] + (settings.hostName == nil ? query.name.map { [$0] } ?? [] : []))
        case "originalhost":
            return SSHPattern.matches(patterns, [query.address] + (query.name.map { [$0] } ?? []))
        case "user": return SSHPattern.matches(patterns, [user])
        case "localuser": return SSHPattern.matches(patterns, [configuration.person.name])
        case "tagged": return SSHPattern.matches(patterns, [settings.tag ?? ""])
        default:
            // Whether the block counts cannot be told: as if it did not, and with a word.
            if isMatch {
                settings.unsupported =
                    settings.unsupported ?? "Match \(criterion.escaped()) at \(line.place)"
            }
            return false
        }
    }

    // MARK: Keywords

    private mutating func take(
        _ line: SSHConfigurationLine, _ block: Block
    ) throws(LivemigError) {
        let value = line.arguments[0]
        switch line.keyword {
        case "hostname":
            if block.meansAddress, settings.hostName == nil {
                settings.hostName = try hostName(value)
            }
        case "port":
            if settings.port == nil {
                settings.port = try located(line) { () throws(LivemigError) in
                    try HostRecordRules.port(value)
                }
            }
        case "user": settings.user = settings.user ?? value
        case "identityfile": addUnique(value, to: \.identityFiles)
        case "certificatefile": addUnique(value, to: \.certificateFiles)
        case "identitiesonly":
            if settings.identitiesOnly == nil { settings.identitiesOnly = try flag(line) }
        case "identityagent": settings.identityAgent = settings.identityAgent ?? value
        case "proxyjump":
            if !settings.proxyIsDecided { settings.proxyJump = value }
            settings.proxyIsDecided = true
        case "proxycommand", "proxyusefdpass":
            if line.keyword == "proxycommand", !settings.proxyIsDecided {
                settings.proxyIsDecided = true
                if value.lowercased() != "none" { refuse("ProxyCommand", line) }
            }
        case "userknownhostsfile":
            settings.userKnownHosts = settings.userKnownHosts ?? line.arguments
        case "globalknownhostsfile":
            settings.globalKnownHosts = settings.globalKnownHosts ?? line.arguments
        case "hostkeyalias": settings.hostKeyAlias = settings.hostKeyAlias ?? value
        case "connecttimeout":
            if settings.connectTimeout == nil { settings.connectTimeout = try seconds(line) }
        case "bindaddress": settings.bindAddress = settings.bindAddress ?? value
        case "addressfamily":
            if !settings.familyIsDecided {
                settings.ipVersion = ["inet": 4, "inet6": 6][value.lowercased()]
            }
            settings.familyIsDecided = true
        case "tag": settings.tag = settings.tag ?? value
        case "bindinterface": refuse("BindInterface", line)
        case "pkcs11provider":
            if value.lowercased() != "none" { refuse("PKCS11Provider", line) }
        case "canonicalizehostname":
            if settings.isCanonicalized == nil {
                settings.isCanonicalized = value.lowercased() != "no"
                if value.lowercased() != "no" { refuse("CanonicalizeHostname", line) }
            }
        default: break
        }
    }

    private mutating func refuse(_ keyword: String, _ line: SSHConfigurationLine) {
        settings.unsupported = settings.unsupported ?? "\(keyword) at \(line.place)"
    }

    private mutating func addUnique(
        _ value: String, to list: WritableKeyPath<SSHSettings, [String]>
    ) {
        if !settings[keyPath: list].contains(value) { settings[keyPath: list].append(value) }
    }

    /// `%h` is the name that was typed here, not a name that was found.
    private func hostName(_ value: String) throws(LivemigError) -> String {
        value.replacing("%%", with: "\0").replacing("%h", with: query.address)
            .replacing("\0", with: "%")
    }

    private func flag(_ line: SSHConfigurationLine) throws(LivemigError) -> Bool {
        switch line.arguments[0].lowercased() {
        case "yes", "true": return true
        case "no", "false": return false
        case let other:
            throw LivemigError(
                .sshConfiguration, "\(other.escaped()) is neither yes nor no", at: line.place)
        }
    }

    /// A time as in sshd_config(5), "TIME FORMATS": seconds, or numbers with units.
    private func seconds(_ line: SSHConfigurationLine) throws(LivemigError) -> Duration? {
        let text = line.arguments[0].lowercased()
        if text == "none" { return nil }
        var (total, digits) = (0, "")
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800]
        for character in text + (text.last?.isNumber == true ? "s" : "") {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else {
                guard let unit = units[character], let number = Int(digits), number < 1_000_000
                else {
                    throw LivemigError(
                        .sshConfiguration, "\(text.escaped()) is not a time", at: line.place)
                }
                total += number * unit
                digits = ""
            }
        }
        return total > 0 ? .seconds(total) : nil
    }

    private func located<Value>(
        _ line: SSHConfigurationLine, _ body: () throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value {
        do throws(LivemigError) {
            return try body()
        } catch {
            throw LivemigError(.sshConfiguration, error.what, at: line.place, fix: error.fix)
        }
    }
}
