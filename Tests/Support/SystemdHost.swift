import Glibc
public import LinuxSystem
public import MigrationModel

/// A host of its own that systemd runs, with its own processes, mounts and control groups.
///
/// Files and network are the test's but for `/run`. Nothing is started in it but systemd itself:
/// the units of this machine must stay alone. Needs root. All that runs in it ends with it.
public final class SystemdHost: Surroundings {
    private let process: ChildProcess
    private let first: Int32

    private static let program = "/lib/systemd/systemd"
    private static let unit = "livemig-test.target"
    private static let log = "systemd.log"

    /// Makes the host and waits until its systemd has started.
    /// - Throws: `E-PERMISSION` for a user who is not root, `E-FILE` without systemd.
    public init(_ folder: ScratchFolder) throws(LivemigError) {
        guard geteuid() == 0 else {
            throw LivemigError(
                .permission, "a systemd of its own needs root, this is user \(geteuid())",
                fix: "run the tests as root")
        }
        guard unsafe access(Self.program, X_OK) == 0 else {
            throw LivemigError(
                .file, "\(Self.program) is missing", fix: "apt-get install systemd")
        }
        try folder.write(Self.setUp, to: "set-up")
        let log = try OwnedDescriptor.open(folder.path(Self.log), O_WRONLY | O_CREAT | O_APPEND)
        process = try ChildProcess(
            .init(
                "/usr/bin/unshare",
                [
                    "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child",
                    "--mount-proc", "/bin/sh", folder.path("set-up"),
                ],
                environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "container": "livemig"],
                descriptors: [1: log.number, 2: log.number]))
        first = try Self.waitForStart(of: process.id, folder)
    }

    deinit {
        kill(first, SIGKILL)
        process.end()
    }

    /// Makes a command run in here, with all that it starts.
    public func enter(_ command: inout ChildProcess.Command) {
        command.arguments =
            ["--target", "\(first)", "--mount", "--pid", "--cgroup", "--uts", "--ipc"]
            + [command.program] + command.arguments
        command.program = "/usr/bin/nsenter"
    }

    /// Runs systemctl(1) in here; its output.
    @discardableResult
    public func systemctl(_ arguments: String...) throws(LivemigError) -> String {
        try Self.systemctl(first, arguments).output
    }

    /// Every folder of units, generators and rules is hidden behind an empty one.
    ///
    /// What they would start cleans up and mounts what is the whole machine's, such as `/tmp`.
    /// Units of services depend on the first two targets (systemd.service(5), "Default
    /// Dependencies").
    private static let setUp = """
        set -e
        mount --make-rprivate /
        mount -t tmpfs tmpfs /run
        for folder in /etc/systemd /usr/lib/systemd/system /usr/lib/systemd/system-generators \\
            /usr/lib/systemd/system-preset /usr/lib/tmpfiles.d /usr/lib/sysctl.d; do
            [ ! -d $folder ] || mount -t tmpfs tmpfs $folder
        done
        mkdir -p /run/systemd/system /run/sshd
        for unit in sysinit basic shutdown livemig-test; do
            printf '[Unit]\\nDefaultDependencies=no\\n' > /run/systemd/system/$unit.target
        done
        umount /sys/fs/cgroup || true
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        exec \(program) --system --unit=\(unit) --log-target=console --show-status=no
        """

    private static func waitForStart(
        of unshare: Int32, _ folder: ScratchFolder
    ) throws(LivemigError) -> Int32 {
        let deadline = MonotonicTime.now + .seconds(20)
        while deadline > .now {
            let children = ProcessFiles.text("/proc/\(unshare)/task/\(unshare)/children")
            if let first = Int32(children.prefix(while: \.isNumber)),
                (try? systemctl(first, ["is-active", unit]))?.output == "active\n"
            {
                return first
            }
            usleep(20_000)
        }
        throw LivemigError(.timeout, "systemd does not start", at: folder.read(log))
    }

    private static func systemctl(
        _ first: Int32, _ arguments: [String]
    ) throws(LivemigError) -> (status: Int32, output: String) {
        try Tool.outcome(
            "/usr/bin/nsenter",
            ["--target", "\(first)", "--mount", "--pid", "--cgroup", "/usr/bin/systemctl"]
                + arguments)
    }
}
