import Glibc
public import Inventory
import LinuxSystem
public import MigrationModel
import SSHTransport
import SystemPackage

/// Fills in what the inventory does not say of a host: ssh_config(5), known_hosts, and limits from
/// the environment.
///
/// The inventory wins wherever it says something. Only controllers resolve hosts; agents are told
/// all that they need to reach a peer and read none of these files.
public struct HostResolver: Sendable {
    private let configuration: SSHConfiguration
    private let person: SSHConfiguration.Person
    private let listed: [HostRecord]

    /// The most hosts in a row on the way to one.
    private static let depthLimit = JumpHop.limit

    /// Takes the hosts of an inventory, and the files of a person.
    public init(
        _ listed: [HostRecord], _ configuration: SSHConfiguration,
        for person: SSHConfiguration.Person
    ) {
        self.listed = listed
        self.configuration = configuration
        self.person = person
    }

    /// The hosts, each with all that is known of the way to it.
    ///
    /// What stands in the way of reaching a host is kept in its `access` and is an error once the
    /// host is reached for: other hosts are not concerned.
    public func resolved() -> [HostRecord] { listed.map { resolve($0) } }

    /// A host with all that is known of the way to it.
    public func resolve(_ host: HostRecord) -> HostRecord {
        var host = host
        do throws(LivemigError) {
            try fill(&host, depth: 0)
        } catch {
            host.access.obstacle = error.named(host.name)
        }
        do throws(LivemigError) {
            host.access.peerJumps = try peerJumps(of: host)
        } catch {
            host.access.peerObstacle = error.named(host.name)
        }
        return host
    }

    private func fill(_ host: inout HostRecord, depth: Int) throws(LivemigError) {
        let query = SSHConfiguration.Query(
            address: host.address, name: host.name.text, user: host.statedUser,
            port: host.statedPort)
        let settings = try configuration.settings(for: query)
        let alias = host.address
        if let name = settings.hostName { host.address = try HostRecordRules.address(name) }
        host.statedPort = host.statedPort ?? settings.port
        if host.statedUser == nil { host.statedUser = try user(settings) }
        try fillKeys(&host, query, settings)
        try fillLimits(&host, settings)
        host.access.bindAddress = settings.bindAddress
        host.access.ipVersion = settings.ipVersion
        try fillKnown(&host, query, settings, alias)
        try fillJumps(&host, settings, depth)
        if let what = settings.unsupported, !what.hasPrefix("ProxyCommand") || host.jump == nil {
            throw Self.unsupported(what)
        }
    }

    private static func unsupported(_ what: String) -> LivemigError {
        LivemigError(
            .sshConfiguration, "\(what) decides how the host is reached and is not supported",
            fix: "use ProxyJump, set jump=\"none\" for the host in the inventory, or pass "
                + "--ssh-config none")
    }

    private func user(_ settings: SSHSettings) throws(LivemigError) -> String? {
        if let user = settings.user { try HostRecordRules.checkUser(user) }
        return settings.user
    }

    // MARK: Keys

    private func fillKeys(
        _ host: inout HostRecord, _ query: SSHConfiguration.Query, _ settings: SSHSettings
    ) throws(LivemigError) {
        func paths(_ files: [String]) throws(LivemigError) -> [String] {
            try files.filter { $0.lowercased() != "none" }.map { file throws(LivemigError) in
                try configuration.expand(file, query, settings)
            }
        }
        host.access.certificates = try paths(settings.certificateFiles)
        if let agent = settings.identityAgent, agent != "SSH_AUTH_SOCK" {
            let named = agent.hasPrefix("$") && !agent.hasPrefix("${")
            host.access.agentSocket =
                named
                ? person.environment[String(agent.dropFirst())] ?? "none"
                : try configuration.expand(agent, query, settings)
        }
        guard host.identity == nil else { return }
        host.access.identities = try paths(settings.identityFiles)
        if settings.identityFiles.isEmpty {
            host.access.identities = ["id_ed25519", "id_ecdsa", "id_rsa"].map {
                "\(person.home)/.ssh/\($0)"
            }
        }
        host.access.identitiesOnly = settings.identitiesOnly ?? false
    }

    // MARK: Limits

    private func fillLimits(
        _ host: inout HostRecord, _ settings: SSHSettings
    ) throws(LivemigError) {
        let connect = try limit("LIVEMIG_CONNECT_TIMEOUT")
        let login = try limit("LIVEMIG_LOGIN_TIMEOUT")
        let answer = try limit("LIVEMIG_ANSWER_TIMEOUT")
        host.connectTimeout = host.connectTimeout ?? connect ?? settings.connectTimeout
        host.loginTimeout = host.loginTimeout ?? login
        host.answerTimeout = host.answerTimeout ?? answer
    }

    private func limit(_ variable: String) throws(LivemigError) -> Duration? {
        guard let text = person.environment[variable], !text.isEmpty else { return nil }
        do throws(LivemigError) {
            return try HostRecordRules.timeout(text)
        } catch {
            throw error.at("$\(variable)")
        }
    }

    // MARK: Known hosts

    /// Takes pins from known_hosts where the inventory has none, and revoked keys in any case.
    private func fillKnown(
        _ host: inout HostRecord, _ query: SSHConfiguration.Query, _ settings: SSHSettings,
        _ alias: String
    ) throws(LivemigError) {
        let known = try known(host, query, settings)
        let revoked = Set(known.revoked.map(\.fingerprint))
        host.access.revokedKeys = revoked.sorted()
        if host.hostKeys.isEmpty {
            host.hostKeys = known.keys.map(\.fingerprint).filter { !revoked.contains($0) }
            if host.hostKeys.isEmpty, known.hasAuthority {
                throw LivemigError(
                    .hostKeyUnknown,
                    "known_hosts vouches for \(alias) by a certificate authority only, which is "
                        + "not supported",
                    fix: "pin a key: livemig host pin \(host.name)")
            }
        }
    }

    private func known(
        _ host: HostRecord, _ query: SSHConfiguration.Query, _ settings: SSHSettings
    ) throws(LivemigError) -> KnownHosts {
        let names = KnownHosts.names(
            settings.hostKeyAlias ?? host.address, port: host.port,
            isAlias: settings.hostKeyAlias != nil)
        let own = settings.userKnownHosts ?? ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
        let shared =
            settings.globalKnownHosts ?? ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]
        var texts: [String] = []
        for file in own + shared where file.lowercased() != "none" {
            let path = try configuration.expand(file, query, settings)
            if let text = try SSHUserFiles.read(path, trusting: true) { texts.append(text) }
        }
        var known = KnownHosts()
        for name in names where known.keys.isEmpty {
            for text in texts { known.read(text, name: name) }
        }
        return known
    }

    // MARK: Jump hosts

    private func fillJumps(
        _ host: inout HostRecord, _ settings: SSHSettings, _ depth: Int
    ) throws(LivemigError) {
        guard let text = host.jump ?? settings.proxyJump else { return }
        guard depth < Self.depthLimit else {
            throw LivemigError(
                .sshConfiguration,
                "more than \(Self.depthLimit) hosts in a row to go through: "
                    + "do they name each other?", at: text.escaped())
        }
        let hops = try JumpHop.parse(text)
        for (index, hop) in hops.enumerated() {
            var record = try record(of: hop, for: host)
            // The first one may have hosts before it; those after it are reached through it.
            if index > 0 { record.jump = "none" }
            try fill(&record, depth: depth + 1)
            // As ssh(1) has it for a host that it is told nothing about.
            if !record.access.isListed {
                record.statedUser = record.statedUser ?? person.name
                if let own = host.identityPath(home: person.home) {
                    record.access.identities.append(own)
                }
            }
            host.access.jumps += record.access.jumps
            record.access.jumps = []
            host.access.jumps.append(record)
        }
    }

    /// The way of other hosts, which have their own keys and none of this person's settings: only
    /// addresses, ports and pinned keys are looked up.
    private func peerJumps(of host: HostRecord) throws(LivemigError) -> [HostRecord] {
        guard let text = host.peerJump else { return [] }
        return try JumpHop.parse(text).map { hop throws(LivemigError) in
            var record = try record(of: hop, for: host)
            guard record.access.isListed || hop.user != nil else {
                throw LivemigError(
                    .usage, "no user is named for \(hop.address) on the way of other hosts",
                    fix: "write USER@\(hop.address) in peerJump")
            }
            record.jump = "none"
            try fill(&record, depth: 0)
            record.access.jumps = []
            guard !record.hostKeys.isEmpty else {
                throw LivemigError(
                    .hostKeyUnknown, "no host key is known of \(hop.address)",
                    fix: "log in there once with ssh, which adds it to known_hosts, or add it to "
                        + "the inventory")
            }
            return record
        }
    }

    /// A host of the inventory if the hop names one; else what the hop says.
    private func record(
        of hop: JumpHop, for host: HostRecord
    ) throws(LivemigError) -> HostRecord {
        if var record = listed.first(where: { $0.name.text == hop.address }) {
            record.statedUser = hop.user ?? record.statedUser
            record.statedPort = hop.port ?? record.statedPort
            return record
        }
        let plain = try? HostName(hop.address)
        let name = if let plain { plain } else { try HostName("jump-host") }
        var record = HostRecord(
            name: name, address: hop.address, port: hop.port,
            user: hop.user, hostKeys: [])
        record.access.isListed = false
        return record
    }
}

/// Files of ssh(1), read as it reads them: links are followed, and files that others may write are
/// refused.
public enum SSHUserFiles {
    /// The longest file that is read, in bytes.
    static let limit = 16 << 20

    /// A reader of ssh_config(5) files.
    public static let reader = SSHConfiguration.Reader(
        read: { path throws(LivemigError) in try read(path, trusting: true) },
        glob: { pattern in glob(pattern) })

    /// The text of a file; `nil` when there is none.
    /// - Parameter trusting: whether it must be writable by its owner alone.
    static func read(_ path: String, trusting: Bool) throws(LivemigError) -> String? {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard number >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw SystemCall.failure("open", Errno(rawValue: errno), at: path)
        }
        let file = OwnedDescriptor(owning: number)
        var status = stat()
        try SystemCall.check("fstat", at: path) { unsafe fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            if path == "/dev/null" { return nil }
            throw LivemigError(.sshConfiguration, "not a regular file", at: path)
        }
        let isOwn = status.st_uid == 0 || status.st_uid == geteuid()
        guard !trusting || isOwn && status.st_mode & 0o022 == 0 else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw LivemigError(
                .sshConfiguration, "others may write the file (mode 0\(mode))", at: path,
                fix: "chmod go-w \(path)")
        }
        let bytes = try DescriptorIO.readFully(upTo: limit, from: file.number, at: path)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func glob(_ pattern: String) -> [String] {
        var found = unsafe glob_t()
        defer { unsafe globfree(&found) }
        guard unsafe Glibc.glob(pattern, 0, nil, &found) == 0 else { return [] }
        return unsafe (0..<Int(found.gl_pathc)).compactMap { index in
            unsafe found.gl_pathv[index].map { unsafe String(cString: $0) }
        }
    }
}
