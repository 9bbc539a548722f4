import MigrationModel

/// What each keyword says of the host.
extension SSHConfigurationEvaluation {
    mutating func take(
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
