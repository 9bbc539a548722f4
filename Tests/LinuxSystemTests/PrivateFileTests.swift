import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Files of this user alone")
struct PrivateFileTests {
    /// What is done to a file of mode 0600, and what must be said of it; `nil` when it is fine.
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let exposure: PrivateFile.Exposure
        let words: String?
        let spoil: @Sendable (String) -> CInt

        init(
            _ name: String, _ exposure: PrivateFile.Exposure = .none, says words: String?,
            _ spoil: @escaping @Sendable (String) -> CInt
        ) {
            self.name = name
            self.exposure = exposure
            self.words = words
            self.spoil = spoil
        }

        var testDescription: String { name }
    }

    static let cases = [
        Case("as it was made", says: nil) { _ in 0 },
        Case("readable by the group", says: "mode 0640") { unsafe chmod($0, 0o640) },
        Case("readable by all", says: "mode 0604") { unsafe chmod($0, 0o604) },
        Case("writable by all", says: "mode 0602") { unsafe chmod($0, 0o602) },
        Case("a log that others read", .readable, says: nil) { unsafe chmod($0, 0o644) },
        Case("a log that the group writes", .readable, says: "others may write") {
            unsafe chmod($0, 0o620)
        },
        Case("a second name", says: "2 names") { unsafe link($0, $0 + ".second") },
        Case("another owner", says: "belongs to user 65534") { unsafe chown($0, 65534, 65534) },
        Case("a symbolic link", says: "open: ") {
            unsafe rename($0, $0 + ".real") + symlink($0 + ".real", $0)
        },
        Case("a FIFO", says: "not a regular file") { unsafe unlink($0) + mkfifo($0, 0o600) },
        Case("a folder", says: "open: ") { unsafe unlink($0) + mkdir($0, 0o700) },
    ]

    // Broken by: a record or key that somebody else can read, write, exchange or prepare, or an open
    // that waits for the other end of a FIFO. Needs root to give a file away.
    @Test("a file that is not ours alone is refused", .timeLimit(.minutes(1)), arguments: cases)
    func refused(_ test: Case) throws {
        let folder = try ScratchFolder()
        try folder.write("content", to: "file")
        let path = folder.path("file")
        try #require(test.spoil(path) == 0)
        let error = failure {
            _ = try PrivateFile.open(path, O_RDWR, exposure: test.exposure, as: .journal)
        }
        guard let words = test.words else {
            #expect(error == nil)
            return
        }
        #expect(error?.code == .journal)
        #expect(error?.explanation.contains(words) == true, "\(error as Any)")
    }

    // Broken by: a file that is made with rights for others, or not closed in programs started later.
    @Test("a new file is ours alone")
    func created() throws {
        let folder = try ScratchFolder()
        let file = try PrivateFile.open(folder.path("new"), O_RDWR | O_CREAT, as: .journal)
        var status = stat()
        #expect(unsafe fstat(file.number, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600)
        #expect(fcntl(file.number, F_GETFD) & FD_CLOEXEC != 0)
    }
}

@Suite("Who connects")
struct PeerUserTests {
    /// Runs a program in perl, which is part of every Debian, as a user.
    private func perl(_ program: String, _ path: String, as user: UInt32) throws -> ChildProcess {
        try ChildProcess(
            .init(
                try Tool.path("setpriv", package: "util-linux"),
                [
                    "--reuid=\(user)", "--regid=\(user)", "--clear-groups",
                    try Tool.path("perl", package: "perl-base"), "-e",
                    "use Socket; my @held; while (1) {"
                        + "socket(my $s, AF_UNIX, SOCK_SEQPACKET | 2048, 0) or die;"
                        + "push @held, $s if connect($s, pack_sockaddr_un($ARGV[0])); "
                        + program + "}",
                    path,
                ]))
    }

    // Broken by: an accept that does not ask who is there, or one whose caller gives up because of
    // whom it found: guardians and lanes are awaited by it. Needs root to become another user.
    @Test("other users' connections are closed, and the wait goes on", .timeLimit(.minutes(1)))
    func strangers() throws {
        let folder = try ScratchFolder()
        let path = folder.path("s")
        let listener = try UnixSocket.listen(path, .packets)
        // What no folder of livemig's allows.
        #expect(unsafe chmod(folder.path, 0o755) == 0 && chmod(path, 0o666) == 0)
        let stranger = try perl("select undef, undef, undef, 0.001;", path, as: 65534)
        defer { stranger.end(grace: .zero) }
        var refused = 0
        while refused < 200 {
            #expect(try !Poll.wait([.init(listener.number)], timeout: .seconds(20)).isEmpty)
            guard try UnixSocket.accept(listener) == nil else { break }
            refused += 1
        }
        #expect(refused == 200)
        let friend = try perl("sleep 30;", path, as: geteuid())
        defer { friend.end(grace: .zero) }
        let deadline = MonotonicTime.now + .seconds(20)
        var found = false
        while !found, MonotonicTime.now < deadline {
            _ = try Poll.wait([.init(listener.number)], timeout: deadline - .now)
            found = try UnixSocket.accept(listener) != nil
        }
        #expect(found)
    }

    // Broken by: a folder of any length whose sockets cannot be listened on, or connected to.
    @Test("a folder's own path may be longer than a socket's")
    func longFolder() throws {
        let scratch = try ScratchFolder()
        let folder = scratch.path(String(repeating: "d", count: 150))
        #expect(unsafe mkdir(folder, 0o700) == 0)
        let listener = try UnixSocket.listen("socket", in: folder, .packets)
        var status = stat()
        #expect(unsafe stat(folder + "/socket", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let client = try UnixSocket.connect(folder + "/socket", .packets)
        guard let server = try UnixSocket.accept(listener) else {
            Issue.record("refused")
            return
        }
        try Packet.send([7], to: client.number)
        #expect(try Packet.receive(from: server.number).bytes == [7])
    }
}
