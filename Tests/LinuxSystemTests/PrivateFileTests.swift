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
    private func perl(
        _ program: String, _ name: String, as user: UInt32, output: CInt? = nil
    ) throws -> ChildProcess {
        try ChildProcess(
            .init(
                try Tool.path("setpriv", package: "util-linux"),
                [
                    "--reuid=\(user)", "--regid=\(user)", "--clear-groups",
                    try Tool.path("perl", package: "perl-base"), "-e",
                    "use Socket; $| = 1; my $n = pack('S a*', AF_UNIX, \"\\0\" . $ARGV[0]); "
                        + "socket(my $s, AF_UNIX, SOCK_SEQPACKET, 0) or die; " + program,
                    name,
                ], descriptors: output.map { [1: $0] } ?? [:]))
    }

    private static let users = [(geteuid(), nil), (65534, .permission)] as [(UInt32, ErrorCode?)]

    private var name: String { "livemig/test/\(UInt64.random(in: .min ... .max).hexadecimal)" }

    // Broken by: an accept that does not ask who is there; guardians and lanes listen by it, and the
    // names of lanes are in no folder that keeps others out. Needs root to become another user.
    @Test("another user's connection is refused", .timeLimit(.minutes(1)))
    func connecting() throws {
        for (user, code) in Self.users {
            let name = name
            let listener = try UnixSocket.listen(UnixSocket.abstractMark + name, .packets)
            let client = try perl("connect($s, $n) or die; sleep 30", name, as: user)
            defer { client.end(grace: .zero) }
            #expect(try !Poll.wait([.init(listener.number)], timeout: .seconds(20)).isEmpty)
            #expect(failure { _ = try UnixSocket.accept(listener) }?.code == code, "user \(user)")
        }
    }

    // Broken by: a lane handed to whoever took the name of a migration that has ended.
    @Test("another user who listens is not spoken to", .timeLimit(.minutes(1)))
    func listening() throws {
        for (user, code) in Self.users {
            let name = name
            let (reader, writer) = try OwnedDescriptor.pipe().release()
            let reading = OwnedDescriptor(owning: reader)
            let writing = OwnedDescriptor(owning: writer)
            let server = try perl(
                "bind($s, $n) && listen($s, 4) or die; print 'ready'; sleep 30", name, as: user,
                output: writing.number)
            defer { server.end(grace: .zero) }
            #expect(try !Poll.wait([.init(reading.number)], timeout: .seconds(20)).isEmpty)
            let error = failure {
                _ = try UnixSocket.connect(UnixSocket.abstractMark + name, .packets)
            }
            #expect(error?.code == code, "user \(user)")
        }
    }
}
