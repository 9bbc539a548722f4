import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What an agent does to a file that belongs to others as well, when it lets a peer in.
@Suite(.serialized) struct AuthorizedKeysTests {
    /// A host and a peer's key.
    private struct Setting {
        let host: TestHost
        let alpha: TestHost
        let peer: PublicKeyMessage
        let folder: ScratchFolder

        init(keys: Int = .max) throws {
            host = try TestHost("beta")
            folder = try ScratchFolder()
            alpha = try TestHost("alpha")
            peer = try Self.keys(of: alpha, keys)
        }

        /// The keys of a host's agent, at most so many.
        static func keys(of host: TestHost, _ count: Int) throws -> PublicKeyMessage {
            let all = try host.agent().request(CreateKey(), for: PublicKeyMessage.self)
            return PublicKeyMessage(
                lines: Array(all.lines.prefix(count)), former: all.former, host: all.host)
        }

        var file: String { folder.path("authorized_keys") }

        func authorize(
            _ path: String? = nil, as name: String = "alpha", keys: PublicKeyMessage? = nil,
            provisionally: Bool = false, by agent: AgentClient? = nil
        ) throws {
            let keys = keys ?? peer
            let message = AuthorizePeer(
                peer: try HostName(name), keys: keys.lines, former: keys.former, host: keys.host,
                file: path ?? file, agent: "/usr/bin/livemig-agent", isProvisional: provisionally)
            _ = try (agent ?? host.agent()).request(message, for: DoneMessage.self)
        }

        func bytes(_ path: String? = nil) throws -> [UInt8] {
            let path = path ?? file
            let number = try SystemCall.check("open", at: path) { unsafe open(path, O_RDONLY) }
            let file = OwnedDescriptor(owning: number)
            return try DescriptorIO.readFully(upTo: 32 << 20, from: file.number)
        }

        func write(_ bytes: [UInt8]) throws {
            let new = try OwnedDescriptor.open(file, O_WRONLY | O_CREAT | O_TRUNC)
            try DescriptorIO.write(bytes, to: new.number)
        }
    }

    private static let manyKeys: [UInt8] = {
        var bytes: [UInt8] = []
        for number in 0..<900 {
            bytes += Array("from=\"10.0.0.0/8\",no-pty ssh-rsa ".utf8)
            bytes += [UInt8](repeating: UInt8(0x41 + number % 26), count: 716)
            bytes += Array(" user\(number)@example\n".utf8)
        }
        return bytes
    }()

    static let contents: [(name: String, bytes: [UInt8])] = [
        ("nothing", []),
        ("comments and blank lines", Array("# mine\n\n  # more\n".utf8)),
        ("no last line feed", Array("ssh-ed25519 AAAAC3Nza me".utf8)),
        ("line ends of another system", Array("ssh-rsa AAAA one\r\nssh-rsa AAAB two\r\n".utf8)),
        ("other bytes than UTF-8", Array("ssh-rsa AAAA J".utf8) + [0xF6, 0xFF, 0, 0x0A]),
        ("900 keys of 4096 bits", manyKeys),
        (
            "words of livemig's in the lines of others",
            Array(
                """
                command="echo lane --root / --peer alpha" ssh-ed25519 AAAA livemig:alpha:/
                command="/usr/bin/livemig-agent lane --root /elsewhere --peer alpha" ssh-rsa AB x

                """.utf8)
        ),
    ]

    // Breaks when one byte of what others have written is lost, whatever it is, or comes back changed
    // when the peer's key is taken out again.
    @Test(.timeLimit(.minutes(1)), arguments: contents.indices)
    func everyByteStays(_ index: Int) throws {
        let (name, before) = Self.contents[index]
        let setting = try Setting()
        try setting.write(before)
        try setting.authorize()
        let after = try setting.bytes()
        #expect(after.starts(with: before), "\(name)")
        let added = String(decoding: after.dropFirst(before.count), as: UTF8.self)
        let isWhole = before.isEmpty || before.last == 0x0A
        #expect(added.hasPrefix(isWhole ? "restrict,command=" : "\nrestrict,command="), "\(added)")
        #expect(added.contains(setting.peer.lines[0] + " livemig:alpha:"), "\(added)")
        try setting.authorize()
        #expect(try setting.bytes() == after, "\(name): twice")
        let taken = try setting.host.agent().request(
            WithdrawPeer(
                peer: try HostName("alpha"), keys: setting.peer.lines, file: setting.file),
            for: PeersWithdrawn.self)
        #expect(taken.fingerprints.count == setting.peer.lines.count)
        #expect(try setting.bytes() == before + (isWhole ? [] : [0x0A]), "\(name)")
    }

    // Breaks when a link becomes a file, a file loses its owner, mode, access list or attributes, or
    // one of its names.
    @Test(.timeLimit(.minutes(1))) func linksAndAttributesStay() throws {
        let setting = try Setting()
        let real = setting.folder.path("real")
        _ = unsafe mkdir(real, 0o755)
        try setting.folder.write("ssh-rsa AAAA me\n", to: "real/keys", mode: 0o640)
        let target = real + "/keys"
        try #require(unsafe symlink("real/keys", setting.file) == 0)
        try #require(unsafe chown(target, 65534, 65533) == 0 && chmod(target, 0o640) == 0)
        try Tool.run("setfacl", package: "acl", ["-m", "u:1:r", target])
        try Tool.run("setfattr", package: "attr", ["-n", "trusted.mark", "-v", "mine", target])
        let list = try Tool.run("getfacl", package: "acl", ["-pn", target])
        for round in 0..<2 {
            try setting.authorize(as: round == 0 ? "alpha" : "another")
            var status = stat()
            try #require(unsafe lstat(setting.file, &status) == 0)
            #expect(status.st_mode & S_IFMT == S_IFLNK)
            try #require(unsafe lstat(target, &status) == 0)
            #expect(status.st_uid == 65534 && status.st_gid == 65533, "\(round)")
            #expect(try Tool.run("getfacl", package: "acl", ["-pn", target]) == list, "\(round)")
            let marks = try Tool.run(
                "getfattr", package: "attr", ["-n", "trusted.mark", "--only-values", target])
            #expect(marks.hasSuffix("mine"), "\(marks)")
            #expect(try setting.bytes().count > 100)
            // The second time into a file of two names.
            try #require(unsafe link(target, real + "/second\(round)") == 0)
        }
        #expect(try setting.bytes(real + "/second0") == setting.bytes())
        #expect(TreeListing.names(in: real).sorted() == ["keys", "second0", "second1"])
    }

    static let refused: [(name: String, code: ErrorCode, make: @Sendable (String) throws -> Void)] =
        [
            ("a folder", .fileType, { _ = unsafe mkdir($0, 0o700) }),
            ("a pipe", .fileType, { _ = unsafe mkfifo($0, 0o600) }),
            ("a device", .fileType, { _ = unsafe symlink("/dev/null", $0) }),
            ("a link to nowhere", .file, { _ = unsafe symlink("nowhere", $0) }),
            ("a link to itself", .file, { _ = unsafe symlink($0, $0) }),
            (
                "a file that others write", .permission,
                { try Self.touch($0, 0o620) }
            ),
            (
                "a folder that others write", .permission,
                { path in
                    try Self.touch(path, 0o600)
                    _ = unsafe chmod(String(path.dropLast("/authorized_keys".count)), 0o770)
                }
            ),
            (
                "a file of 17 MiB", .file,
                { path in
                    try Self.touch(path, 0o600)
                    _ = unsafe truncate(path, 17 << 20)
                }
            ),
            (
                "a file that cannot be changed", .file,
                { path in
                    try Self.touch(path, 0o600)
                    try Tool.run("chattr", package: "e2fsprogs", ["+i", path])
                }
            ),
            (
                "a path that leads through a file", .file,
                { try Self.touch(String($0.dropLast(16)), 0o600) }
            ),
        ]

    private static func touch(_ path: String, _ mode: UInt32) throws {
        _ = unsafe rmdir(path)
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT, mode: mode)
        _ = fchmod(file.number, mode)
        try DescriptorIO.write(Array("ssh-rsa AAAA me\n".utf8), to: file.number)
    }

    // Breaks when something that cannot be read whole, or that sshd would not take, is replaced.
    @Test(.timeLimit(.minutes(1)), arguments: refused.indices)
    func whatCannotBeReadWholeIsRefused(_ index: Int) throws {
        let (name, code, make) = Self.refused[index]
        let setting = try Setting()
        let folder = setting.folder.path("there")
        _ = unsafe mkdir(folder, 0o700)
        let path = folder + "/authorized_keys"
        try make(path)
        defer { _ = try? Tool.run("chattr", package: "e2fsprogs", ["-f", "-i", path]) }
        var (before, after) = (stat(), stat())
        let existed = unsafe lstat(path, &before) == 0
        let names = TreeListing.names(in: folder)
        let error = #expect(throws: LivemigError.self, "\(name)") { try setting.authorize(path) }
        #expect(error?.code == code, "\(name): \(String(describing: error))")
        #expect((unsafe lstat(path, &after) == 0) == existed)
        #expect(before.st_ino == after.st_ino && before.st_size == after.st_size, "\(name)")
        #expect(before.st_mode == after.st_mode && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
        #expect(TreeListing.names(in: folder) == names, "\(name)")
    }

    // Breaks when a peer's line is known by a name of somebody's inventory instead of its key, so
    // that lines are lost or left over.
    @Test(.timeLimit(.minutes(1))) func linesAreKnownByTheirKeys() throws {
        let setting = try Setting(keys: 1)
        let others = try Setting.keys(of: TestHost("other"), 1)
        func lines() throws -> [String] {
            String(decoding: try setting.bytes(), as: UTF8.self)
                .split(separator: "\n").map(String.init)
        }
        try setting.authorize()
        // Another inventory calls another host alpha, and this one a1.
        try setting.authorize(keys: others)
        try setting.authorize(as: "a1")
        #expect(try lines().count == 2)
        #expect(try lines()[0].contains("--peer a1 --peer alpha --key SHA256:"))
        // Somebody adds options of their own, which stay, and may be more than livemig's.
        let text = try lines()[0].replacing("restrict,", with: "from=\"127.0.0.0/8\",restrict,")
        try setting.write(Array((text + ",expiry\n" + lines()[1] + "\n").utf8))
        try setting.authorize(as: "a1")
        #expect(try lines()[0].hasPrefix("from=\"127.0.0.0/8\",restrict,command="))
        // The agent's key is replaced, with and without the agent knowing.
        let peer = try TestHost("alpha")
        let first = try Setting.keys(of: peer, 1)
        try setting.authorize(as: "a2", keys: first)
        #expect(try lines().count == 3)
        try #require(unsafe unlink(peer.root + "/keys/id_ed25519") == 0)
        let second = try Setting.keys(of: peer, 1)
        #expect(second.former == first.lines && second.host == first.host)
        try setting.authorize(as: "renamed", keys: second)
        #expect(try lines().count == 3 && lines()[2].contains("--peer renamed --key"))
        // All that the agent knew of its keys is gone, and it is still the same host.
        let third = PublicKeyMessage(lines: others.lines, host: second.host)
        try setting.write(Array((try lines()[0] + "\n" + lines()[2] + "\n").utf8))
        try setting.authorize(as: "renamed", keys: third)
        #expect(try lines().count == 2 && lines()[1].contains(third.lines[0]))
        // The whole key of somebody stands in front of the line that would limit it.
        try setting.write(Array((first.lines[0] + " root@alpha\n").utf8))
        #expect(throws: LivemigError.self) { try setting.authorize(keys: first) }
    }

    // Breaks when a change that nobody has confirmed outlives the conversation, or undoing it takes
    // somebody else's line along.
    @Test(.timeLimit(.minutes(1))) func whatIsNotConfirmedIsUndone() throws {
        let setting = try Setting()
        let before = Array("ssh-rsa AAAA me".utf8)
        try setting.write(before)
        let agent = try setting.host.agent()
        try setting.authorize(provisionally: true, by: agent)
        try setting.authorize(as: "a1", provisionally: true, by: agent)
        #expect(try setting.bytes() != before)
        try agent.close()
        #expect(try setting.bytes() == before)

        try #require(unsafe unlink(setting.file) == 0)
        let second = try setting.host.agent()
        try setting.authorize(provisionally: true, by: second)
        _ = try second.request(SettlePeers(keeping: false), for: DoneMessage.self)
        #expect(unsafe access(setting.file, F_OK) != 0)

        try setting.authorize(provisionally: true, by: second)
        try setting.write(try setting.bytes() + Array("ssh-rsa AAAB new\n".utf8))
        #expect(throws: LivemigError.self) {
            _ = try second.request(SettlePeers(keeping: false), for: DoneMessage.self)
        }
        #expect(String(decoding: try setting.bytes(), as: UTF8.self).hasSuffix("AAAB new\n"))
    }
}
