import MigrationModel

/// One walk through the files for one host.
struct SSHConfigurationEvaluation {
    private let configuration: SSHConfiguration
    let query: SSHConfiguration.Query
    var settings = SSHSettings()
    /// Whether this is the second walk, for which `Match final` holds.
    var isFinal = false
    private(set) var sawFinal = false

    init(_ configuration: SSHConfiguration, _ query: SSHConfiguration.Query) {
        self.configuration = configuration
        self.query = query
    }

    /// What a block applies to.
    struct Block {
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
}
