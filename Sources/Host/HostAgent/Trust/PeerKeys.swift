import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import SystemPackage
import WireProtocol

/// The keys of this host's agent, and the keys of peers that may open lanes to it.
struct PeerKeys: Sendable {
    let root: HostRoot

    /// How many keys that the agent no longer has are remembered.
    private static let formerLimit = 16
    /// The longest list of them that is read, in bytes.
    private static let historyLimit = 64 << 10

    // MARK: The agent's own

    /// The files of the agent's keys, in the order they are offered.
    private var files: [(path: String, kind: SSHKeyPair.Kind)] {
        [(root.key, .ed25519), (root.secondKey, .ecdsa)]
    }

    /// The agent's public keys; pairs are made on first use.
    func publicKeys() throws(LivemigError) -> [SSHPublicKey] {
        for (path, kind) in files where unsafe access(path, F_OK) != 0 {
            do throws(LivemigError) {
                try SSHKeyPair.generate(kind).write(to: path)
            } catch  where error.code == .exists {
                // Another agent of this host was first; its key is as good.
            }
        }
        return try presentKeys()
    }

    /// The agent's public keys as far as they are there.
    func presentKeys() throws(LivemigError) -> [SSHPublicKey] {
        try presentFiles().map { path throws(LivemigError) in
            _ = try PrivateFile.open(path, O_RDONLY, as: .keyMode)
            return try SSHPublicKey(line: SSHKeyPair.read(path).publicLine(comment: ""))
        }
    }

    /// The files of the agent's keys that are there, in the order they are offered.
    func presentFiles() -> [String] {
        files.map(\.path).filter { unsafe access($0, F_OK) == 0 }
    }

    /// The agent's public keys, made on first use, and those that it had before.
    func message() throws(LivemigError) -> PublicKeyMessage {
        let lines = try publicKeys().map(\.line)
        return PublicKeyMessage(
            lines: lines, former: try former(besides: lines), host: identity)
    }

    /// Tells this agent from others, whatever keys it has.
    private var identity: String { root.identity ?? "" }

    /// The keys that the agent had before; the present ones are remembered.
    private func former(besides lines: [String]) throws(LivemigError) -> [String] {
        let path = root.path + "/keys/public"
        let file = try PrivateFile.open(path, O_RDWR | O_CREAT | O_APPEND, as: .root)
        let known = String(
            decoding: try DescriptorIO.readFully(
                upTo: Self.historyLimit, from: file.number, at: path), as: UTF8.self
        ).split(separator: "\n").map(String.init)
        let new = lines.filter { !known.contains($0) }
        if !new.isEmpty {
            try DescriptorIO.write(
                Array(new.map { $0 + "\n" }.joined().utf8), to: file.number, at: path)
        }
        return known.suffix(Self.formerLimit).filter { !lines.contains($0) }
    }

    /// Insists on a key to log in to a peer with.
    /// - Throws: `E-AUTH` when there is none, since then no peer can know it; `E-KEYMODE` for one
    ///   that is not this user's alone.
    func requireKey(for peer: String) throws(LivemigError) {
        guard unsafe access(root.key, F_OK) != 0 else {
            _ = try PrivateFile.open(root.key, O_RDONLY, as: .keyMode)
            return
        }
        throw LivemigError(
            .authentication, "the agent has no key to open data lanes to \(peer) with",
            at: root.key, fix: "run livemig host trust for the two hosts")
    }

    // MARK: Those of peers

    /// Lets a peer's agent open lanes, and nothing else: a forced command and no forwarding
    /// (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
    ///
    /// The peer's line is known by its key, or by its name together with what tells its agent from
    /// others. Lines of others stay, and so do options that somebody has added to livemig's.
    /// - Returns: what was changed; `nil` when nothing had to be.
    /// - Throws: `E-KEY` for what is no key, `E-AUTH` when another line has the key already, and as
    ///   `AuthorizedKeysFile.change`.
    func authorize(
        _ request: AuthorizePeer
    ) throws(LivemigError) -> (file: AuthorizedKeysFile, change: AuthorizedKeysFile.Change)? {
        let keys = try request.keys.map { line throws(LivemigError) in
            try SSHPublicKey(line: line)
        }
        guard !keys.isEmpty else { throw LivemigError(.key, "the peer has no key") }
        let editor = LaneLines(
            root: root.path, agent: request.agent, usesSudo: request.usesSudo)
        if request.file == nil { try makeFolder() }
        let file = try file(request.file)
        let change = try file.change { (bytes) throws(LivemigError) in
            try editor.granting(request, keys, in: bytes, at: file.path)
        }
        return change.map { (file, $0) }
    }

    /// Takes a peer's keys out.
    /// - Returns: their fingerprints.
    func withdraw(_ request: WithdrawPeer) throws(LivemigError) -> [String] {
        var removed: [String] = []
        let blobs = try request.keys.map { line throws(LivemigError) in
            try SSHPublicKey(line: line).blob
        }
        let file = try file(request.file)
        guard try file.read() != nil else { return [] }
        try file.change { (bytes) throws(LivemigError) in
            let (rest, lines) = LaneLines.withdrawing(
                request.peer, host: request.host, blobs, root: root.path, from: bytes)
            removed = lines.map { line in
                (try? SSHPublicKey(kind: line.kind, blob: line.blob).fingerprint) ?? line.blob
            }
            return rest
        }
        return removed
    }

    /// Whether a peer's agent may open lanes to this host.
    ///
    /// - Parameters:
    ///   - peer: its name.
    ///   - file: as for `authorize`.
    func accepts(_ peer: String, file: String?) throws(LivemigError) -> Bool {
        let bytes = try self.file(file).read() ?? []
        return LaneLines.grants(in: bytes, root: root.path).contains { $0.names.contains(peer) }
    }

    /// Addresses that peers come from, as far as their lines in the default file say so.
    func addresses() throws(LivemigError) -> [IPAddress] {
        LaneLines.addresses(in: try file(nil).read() ?? [], root: root.path)
    }

    private func file(_ requested: String?) throws(LivemigError) -> AuthorizedKeysFile {
        if let requested {
            guard requested.hasPrefix("/") else {
                throw LivemigError(.file, "not an absolute path", at: requested.escaped())
            }
            return AuthorizedKeysFile(path: requested, owner: try root.login?.owner)
        }
        let home = try LoginUser.home(root.login)
        return AuthorizedKeysFile(
            path: home + "/.ssh/authorized_keys", owner: try root.login?.owner)
    }

    private func makeFolder() throws(LivemigError) {
        let folder = try LoginUser.home(root.login) + "/.ssh"
        guard unsafe mkdir(folder, 0o700) == 0 else {
            guard errno == EEXIST else {
                throw SystemCall.failure("mkdir", Errno(rawValue: errno), at: folder)
            }
            return
        }
        guard let owner = try root.login?.owner else { return }
        try SystemCall.check("chown", at: folder) {
            unsafe lchown(folder, owner.user, owner.group)
        }
    }
}

/// The user that peers and operators log in as, where that is not the agent's own.
public struct LoginUser: Hashable, Sendable {
    /// The name.
    public let name: String

    /// Names a user.
    public init(_ name: String) { self.name = name }

    /// Whom the user's files belong to.
    var owner: AuthorizedKeysFile.Owner {
        get throws(LivemigError) {
            guard let user = unsafe getpwnam(name) else {
                throw LivemigError(.file, "there is no user \(name.escaped())")
            }
            return unsafe AuthorizedKeysFile.Owner(
                user: user.pointee.pw_uid, group: user.pointee.pw_gid)
        }
    }

    /// The home folder of a user; of the agent's own where none is named.
    static func home(_ login: LoginUser?) throws(LivemigError) -> String {
        let user = unsafe login.map { unsafe getpwnam($0.name) } ?? getpwuid(geteuid())
        guard let user = unsafe user, let home = unsafe user.pointee.pw_dir else {
            throw LivemigError(
                .file, "user \(login?.name.escaped() ?? String(geteuid())) has no home folder")
        }
        return unsafe String(cString: home)
    }
}
