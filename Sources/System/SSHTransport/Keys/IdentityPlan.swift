import CLibSSH
import Glibc
import LinuxSystem
import MigrationModel

/// One thing that a server is offered at the login.
enum Credential {
    /// A key or certificate that the SSH agent signs for.
    case agent(AgentFilter.Offer)
    /// A private key, perhaps with a certificate, and what messages call it.
    case key(SharedKey, String)
    /// A private key file whose passphrase is asked for when it is needed.
    case locked(SSHKeyFile)

    /// Whether it is an RSA key, or a certificate of one.
    var isRSA: Bool {
        switch self {
        case .agent(let offer): offer.shown.kind.hasPrefix("ssh-rsa")
        case .key(let shared, _): shared.key.kind.hasPrefix("ssh-rsa")
        case .locked: false
        }
    }

    /// The kind of key, such as `ssh-ed25519`; empty where it cannot be read.
    var kind: String {
        switch self {
        case .agent(let offer): offer.shown.kind
        case .key(let shared, _): shared.key.kind
        case .locked(let file): file.publicKey?.kind ?? ""
        }
    }

    var usesAgent: Bool {
        if case .agent = self { true } else { false }
    }
}

/// Decides what a login offers, and in which order.
///
/// As in ssh(1): the agent's keys first, those of an identity file before the others, then the
/// identity files; a certificate before its key. A named identity is offered alone.
struct IdentityPlan: ~Copyable {
    private let endpoint: SSHEndpoint
    private var files: [SSHKeyFile] = []
    private var agentKeys: [PublicKeyBlob] = []
    private(set) var agent: KeyAgent?
    /// What was passed over, in words.
    private(set) var remarks: [String] = []
    private(set) var credentials: [Credential] = []

    /// Reads the files and asks the agent.
    /// - Throws: `E-FILE`, `E-KEYMODE` or `E-KEY` when the named identity cannot be used, or
    ///   nothing is left to log in with.
    init(_ endpoint: SSHEndpoint) throws(LivemigError) {
        self.endpoint = endpoint
        try readFiles()
        if needsAgent { askAgent() }
        try gather()
        guard !credentials.isEmpty else { throw nothing }
    }

    /// Gives the agent away.
    mutating func takeAgent() -> KeyAgent? { agent.take() }

    private var usesFilesOnly: Bool { endpoint.identity != nil || endpoint.identitiesOnly }

    private mutating func readFiles() throws(LivemigError) {
        if let named = endpoint.identity {
            files.append(try SSHKeyFile(reading: named, isNamed: true))
        }
        for path in endpoint.identities {
            do throws(LivemigError) {
                files.append(try SSHKeyFile(reading: path))
            } catch  where error.code == .file {
                continue
            } catch {
                remarks.append("\(path.printable) is passed over: \(error.explanation)")
            }
        }
    }

    private var needsAgent: Bool {
        !usesFilesOnly || files.contains { !$0.isUsableAlone }
    }

    private mutating func askAgent() {
        var path = endpoint.agentSocket
        if path == nil, let value = unsafe getenv("SSH_AUTH_SOCK") {
            path = unsafe String(cString: value)
        }
        guard let path, !path.isEmpty, path != "none" else { return }
        do throws(LivemigError) {
            let agent = try KeyAgent(at: path)
            agentKeys = try agent.keys(until: .now + endpoint.connectTimeout)
            self.agent = consume agent
        } catch {
            remarks.append(
                "the SSH agent at \(path.printable) does not answer (\(error.explanation))")
        }
    }

    private mutating func gather() throws(LivemigError) {
        let known = Set(agentKeys)
        for file in files {
            guard let key = file.publicKey, known.contains(key) else { continue }
            // A file that can be used alone is: the agent was asked for others' sake.
            if file.isUsableAlone, usesFilesOnly { continue }
            credentials += certificates(of: file, key).map {
                .agent(.init(shown: $0, signing: key))
            }
            credentials.append(.agent(.init(shown: key, signing: key)))
        }
        if !usesFilesOnly {
            let own = Set(files.compactMap { $0.publicKey })
            for key in agentKeys where !own.contains(key) {
                credentials.append(.agent(.init(shown: key, signing: key)))
            }
        }
        for file in files {
            if let key = file.publicKey, known.contains(key),
                !(file.isUsableAlone && usesFilesOnly)
            {
                continue
            }
            try add(file)
        }
    }

    /// Adds a file's own key; the agent does not hold it.
    private mutating func add(_ file: SSHKeyFile) throws(LivemigError) {
        do throws(LivemigError) {
            switch file.contents {
            case .publicKey:
                throw LivemigError(
                    .key, "only the public key is there, and the SSH agent does not hold the other",
                    at: file.path, fix: "load it into the SSH agent with ssh-add")
            case .privateKey where file.isHardware:
                throw LivemigError(
                    .key, "the key is in a security key (\(file.publicKey?.kind ?? ""))",
                    at: file.path,
                    fix: "load it into the SSH agent with ssh-add; the agent talks to the device")
            case .privateKey(isEncrypted: true):
                guard endpoint.asksPassphrase else {
                    throw LivemigError(
                        .key, "the key has a passphrase", at: file.path,
                        fix: "load it into the SSH agent with ssh-add")
                }
                if file.isNamed {
                    add(try Passphrases.unlock(file), file)
                } else {
                    credentials.append(.locked(file))
                }
            case .privateKey:
                guard let key = file.unlock() else {
                    throw SSHKey.unreadable(file.path)
                }
                add(key, file)
            }
        } catch {
            if file.isNamed {
                throw remarks.isEmpty
                    ? error
                    : LivemigError(
                        error.code, ([error.what] + remarks).joined(separator: "; "),
                        at: error.place, fix: error.fix)
            }
            remarks.append("\(file.path.printable) is passed over: \(error.explanation)")
        }
    }

    private mutating func add(_ key: consuming SSHKey, _ file: SSHKeyFile) {
        credentials += Self.credentials(key, file, endpoint)
    }

    /// A private key's credentials: with each certificate, and without.
    static func credentials(
        _ key: consuming SSHKey, _ file: SSHKeyFile, _ endpoint: SSHEndpoint
    ) -> [Credential] {
        let shared = SharedKey(key)
        let name = "key \(shared.key.fingerprint ?? "") (\(file.path.printable))"
        var credentials: [Credential] = []
        for path in certificatePaths(of: file, endpoint) {
            guard let certified = shared.key.certified(by: path) else { continue }
            credentials.append(
                .key(SharedKey(certified), "certificate \(path.printable) of \(name)"))
        }
        return credentials + [.key(shared, name)]
    }

    private static func certificatePaths(
        of file: SSHKeyFile, _ endpoint: SSHEndpoint
    ) -> [String] {
        let base = file.path.hasSuffix(".pub") ? String(file.path.dropLast(4)) : file.path
        return endpoint.certificates
            + ["\(base)-cert.pub"].filter {
                unsafe access($0, R_OK) == 0
            }
    }

    private func certificates(
        of file: SSHKeyFile, _ key: PublicKeyBlob
    ) -> [PublicKeyBlob] {
        Self.certificatePaths(of: file, endpoint).compactMap { path in
            guard let certificate = try? SSHKeyFile(reading: path).publicKey,
                certificate.certifies(key)
            else { return nil }
            return certificate
        }
    }

    private var nothing: LivemigError {
        let what =
            if !remarks.isEmpty {
                "no key to log in with is left: " + remarks.joined(separator: "; ")
            } else if agent != nil {
                "the SSH agent holds no key, and no identity file is there"
            } else {
                "no identity file is given and no SSH agent runs"
            }
        return LivemigError(
            agent == nil ? .key : .authentication, what, at: endpoint.name,
            fix: "name a key with --identity, or start ssh-agent and set SSH_AUTH_SOCK")
    }
}

extension SSHKeyFile {
    /// Whether the file alone is enough to log in.
    var isUsableAlone: Bool {
        switch contents {
        case .publicKey, .privateKey(isEncrypted: true): false
        case .privateKey: !isHardware
        }
    }
}
