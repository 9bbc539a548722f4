import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A user of the host without any right: connects to every socket of livemig that the kernel lists,
/// without end, and keeps the connections.
private final class LocalUser {
    private let process: ChildProcess
    private let scratch = try? ScratchFolder()

    init() throws {
        let log = try OwnedDescriptor.open(
            try #require(scratch).path("log"), O_WRONLY | O_CREAT | O_TRUNC)
        process = try ChildProcess(
            .init(
                try Tool.path("setpriv", package: "util-linux"),
                [
                    "--reuid=65534", "--regid=65534", "--clear-groups",
                    try Tool.path("perl", package: "perl-base"), "-e", Self.program,
                ], descriptors: [1: log.number]))
    }

    deinit { process.end(grace: .zero) }

    /// How often it has looked, and how many connections it was given.
    var score: (turns: Int, connections: Int) {
        let words = (scratch?.read("log") ?? "").split(separator: "\n").last?.split(separator: " ")
        return (words?.first.flatMap { Int($0) } ?? 0, words?.last.flatMap { Int($0) } ?? 0)
    }

    /// Types are those of socket(2): SOCK_SEQPACKET and SOCK_STREAM, with SOCK_NONBLOCK.
    private static let program = """
        use Socket; $| = 1; my @held; my ($turns, $got) = (0, 0);
        while (1) {
            open my $list, '<', '/proc/net/unix' or die;
            while (<$list>) {
                chomp; my $name = (split ' ', $_, 8)[7];
                next unless defined $name && $name =~ m{livemig|guardian|door|lanes};
                $name =~ s/^@/\\0/;
                for my $type (5 | 2048, 1 | 2048) {
                    socket(my $s, AF_UNIX, $type, 0) or next;
                    next unless connect($s, pack('S a*', AF_UNIX, $name));
                    $got++; push @held, $s; shift @held if @held > 200;
                }
            }
            close $list; $turns++; print "$turns $got\\n";
            select undef, undef, undef, 0.005;
        }
        """
}

/// What a local user, or a container in the host's network, can do to moves and starts; needs root.
@Suite(.serialized) struct LocalUserTests {
    // Breaks when somebody who may do nothing connects to where a guardian is awaited or the lanes of
    // a move are, and the start or the move ends for that, or has no room left for its own.
    @Test(.timeLimit(.minutes(2))) func connectionsStopNothing() throws {
        let folder = try ScratchFolder()
        let systemd = try SystemdHost(folder)
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: systemd), beta: TestHost("beta"))
        let user = try LocalUser()
        try expectSoon(within: .seconds(10)) { user.score.turns > 2 }
        try hosts.start("fill=16MiB ws=4MiB rate=1MiB/s")
        var slow = MigrationPolicy()
        slow.bandwidth = Bandwidth(bytesPerSecond: 16 << 20)
        slow.compression = MigrationPolicy.Compression.none
        for (source, destination) in [(hosts.alpha, hosts.beta), (hosts.beta, hosts.alpha)] {
            let before = user.score.turns
            let (report, _) = try hosts.move(from: source, to: destination, slow)
            #expect(report.isRunning)
            #expect(user.score.turns > before + 10)
        }
        #expect(try hosts.alpha.differingPages() == "0")
        #expect(user.score.connections == 0)
    }

    // Breaks when what a killed worker leaves keeps later moves from listening, or stays for ever.
    @Test(.timeLimit(.minutes(1))) func forsakenDoors() throws {
        let hosts = try TwoHosts()
        let moves = hosts.beta.root + "/moves"
        try hosts.start("fill=4MiB")
        let door = "\(moves)/door.lanes.\(MigrationID.random())"
        #expect(unsafe mkdir(door, 0o700) == 0)
        _ = try UnixSocket.listen("socket", in: door, .packets)
        #expect(try hosts.move(from: hosts.alpha, to: hosts.beta).0.isRunning)
        for host in [hosts.alpha, hosts.beta] {
            try expectSoon(within: .seconds(5)) {
                TreeListing.names(in: host.root + "/moves").allSatisfy { !$0.hasPrefix("door.") }
            }
        }
    }
}
