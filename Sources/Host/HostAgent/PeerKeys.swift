import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import SystemPackage
import WireProtocol

/// The key of this host's agent, and the keys of peers that may open lanes to it.
struct PeerKeys: Sendable {
    let root: HostRoot

    /// The agent's public key; the pair is made on first use.
    func publicLine() throws(LivemigError) -> String {
        if unsafe access(root.key, F_OK) != 0 {
            do throws(LivemigError) {
                try SSHKeyPair.generate().write(to: root.key)
            } catch  where error.code == .exists {
                // Another agent of this host was first; its key is as good.
            }
        }
        _ = try PrivateFile.open(root.key, O_RDONLY, as: .keyMode)
        return try SSHKeyPair.read(root.key).publicLine(comment: "livemig")
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

    /// Lets a peer's agent open lanes, and nothing else: a forced command and no forwarding
    /// (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
    ///
    /// An older line of the same peer is replaced.
    /// - Throws: `E-KEY` for a key that is not one line of a known kind.
    func authorize(_ request: AuthorizePeer) throws(LivemigError) {
        let words = request.key.split(separator: " ")
        guard words.count >= 2, words[0] == "ssh-ed25519",
            words[1].utf8.allSatisfy(\.isBase64), words[1].utf8.count <= 256
        else { throw LivemigError(.key, "not an Ed25519 public key", at: request.key.escaped()) }
        let command = try RemoteCommand([
            request.agent, "lane", "--root", root.path, "--peer", request.peer,
        ])
        let mark = mark(of: request.peer)
        let line = "restrict,command=\"\(command.text)\" \(words[0]) \(words[1]) \(mark)"
        if request.file == nil { try makeFolder(try Self.defaultFolder()) }
        try replaceLine(marked: mark, with: line, in: try file(request.file))
    }

    /// Whether a peer's agent may open lanes to this host.
    ///
    /// - Parameters:
    ///   - peer: its name.
    ///   - file: as for `authorize`.
    func accepts(_ peer: String, file: String?) throws(LivemigError) -> Bool {
        let mark = " " + mark(of: peer)
        return SmallFile.read(try self.file(file)).split(separator: "\n").contains {
            $0.hasSuffix(mark)
        }
    }

    /// The comment behind a peer's key, by which its line is found again.
    private func mark(of peer: String) -> String { "livemig:\(peer):\(root.path)" }

    private func file(_ requested: String?) throws(LivemigError) -> String {
        if let requested {
            guard requested.hasPrefix("/") else {
                throw LivemigError(.file, "not an absolute path", at: requested.escaped())
            }
            return requested
        }
        return try Self.defaultFolder() + "/authorized_keys"
    }

    private static func defaultFolder() throws(LivemigError) -> String {
        guard let user = unsafe getpwuid(geteuid()), let home = unsafe user.pointee.pw_dir else {
            throw LivemigError(.file, "user \(geteuid()) has no home folder")
        }
        return unsafe String(cString: home) + "/.ssh"
    }

    private func makeFolder(_ folder: String) throws(LivemigError) {
        if unsafe mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw SystemCall.failure("mkdir", Errno(rawValue: errno), at: folder)
        }
    }

    /// Rewrites the file under a lock, by a new file that takes its place.
    private func replaceLine(
        marked mark: String, with line: String, in path: String
    ) throws(LivemigError) {
        let lock = try PrivateFile.open(root.path + "/keys/lock", O_RDWR | O_CREAT, as: .root)
        let locked = lock.number
        try SystemCall.check("flock") { flock(locked, LOCK_EX) }
        var lines = SmallFile.read(path).split(separator: "\n").map(String.init)
        lines.removeAll { $0.hasSuffix(" " + mark) }
        lines.append(line)

        let temporary = path + ".livemig"
        _ = unsafe unlink(temporary)
        let file = try OwnedDescriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL)
        try DescriptorIO.write(
            Array((lines.joined(separator: "\n") + "\n").utf8), to: file.number, at: temporary)
        let number = file.number
        try SystemCall.check("fsync", at: temporary) { fsync(number) }
        try SystemCall.check("rename", at: path) { unsafe rename(temporary, path) }
    }
}

extension UInt8 {
    fileprivate var isBase64: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"),
            UInt8(ascii: "="):
            true
        default: false
        }
    }
}
