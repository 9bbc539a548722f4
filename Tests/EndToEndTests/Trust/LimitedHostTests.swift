import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// A destination that takes only so many connections.
@Suite(.serialized) struct LimitedHostTests {
    // Breaks when one lane that is refused ends the move, or nobody is told that lanes are missing.
    @Test(.timeLimit(.minutes(1))) func fewerLanes() throws {
        let hosts = try TwoHosts()
        let proxy = try FaultProxy(to: hosts.beta.ssh.port)
        let someone = try Operator()
        try someone.add(hosts.alpha)
        try someone.add(hosts.beta, Operator.Entry(port: proxy.port))
        try hosts.start("fill=16MiB rate=1MiB/s", memory: 32)
        let words = ["move", "guest", "--to", "beta", "--lanes", "4"]

        // The controller's connection and the link pass, and no lane.
        proxy.restart()
        proxy.plan(.init(.cut, on: 2..<(.max)))
        let none = try someone.begin(words).finish()
        none.expect(.connectDropped)
        #expect(try hosts.summary(on: hosts.alpha).state == .running)

        proxy.restart()
        proxy.plan(.init(.cut, on: 4..<(.max)))
        let run = try someone.begin(words).finish()
        #expect(run.status == 0, "\(run)")
        #expect(run.errors.contains("2 of 4 lanes are used"), "\(run)")
        #expect(run.errors.contains("MaxStartups"), "\(run)")
        #expect(try hosts.beta.differingPages() == "0")
    }

    /// sshd's own limits, on connections that have not logged in.
    static let serverLimits = ["MaxStartups 1:100:1", "PerSourceMaxStartups 1"]

    // Breaks when lanes that sshd drops end the move, or are not tried again.
    @Test(.timeLimit(.minutes(1)), arguments: serverLimits)
    func serverDropsConnections(_ limit: String) throws {
        let hosts = try TwoHosts(
            alpha: TestHost("alpha"), beta: TestHost("beta", sshOptions: [limit]))
        let someone = try Operator(hosts)
        try hosts.start("fill=16MiB rate=1MiB/s", memory: 32)
        let run = try someone.run("move", "guest", "--to", "beta", "--lanes", "6")
        #expect(run.status == 0, "\(run)")
        #expect(hosts.beta.ssh.log.contains("drop connection"), "\(hosts.beta.ssh.log)")
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when a lane counts as let in before it is greeted: PAM ends sessions after the login.
    @Test(.timeLimit(.minutes(1))) func sessionsOfPAM() throws {
        let limit = try SessionLimit()
        let hosts = try TwoHosts(
            alpha: TestHost("alpha"),
            beta: TestHost("beta", in: limit, sshOptions: ["UsePAM yes"]))
        let someone = try Operator(hosts)
        try hosts.start("fill=16MiB rate=1MiB/s", memory: 32)
        let words = ["move", "guest", "--to", "beta", "--lanes", "4"]

        // No session for the controller, then none for the source's look, then none for lanes.
        for sessions in 0...2 {
            try limit.allow(sessions)
            let run = try someone.begin(words).finish()
            #expect(run.status != 0, "\(sessions): \(run)")
            #expect(sessions == 2 || run.errors.contains("maxlogins"), "\(sessions): \(run)")
            #expect(try hosts.summary(on: hosts.alpha).state == .running)
        }
        try limit.allow(4)
        let run = try someone.begin(words).finish()
        #expect(run.status == 0, "\(run)")
        #expect(run.errors.contains(" of 4 lanes are used"), "\(run)")
        #expect(try hosts.beta.differingPages() == "0")
    }
}

/// A PAM of its own for what runs in here, which opens so many sessions at a time (pam.conf(5)).
private final class SessionLimit: Surroundings {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
        try folder.write(Self.script, to: "limit", mode: 0o755)
        try folder.write(
            """
            auth required pam_permit.so
            account required pam_permit.so
            session required pam_exec.so quiet \(folder.path("limit"))

            """, to: "pam")
        try allow(100)
    }

    /// A session takes the first slot that is free or whose server process has ended.
    private static let script = """
        #!/bin/sh
        [ "$PAM_TYPE" = open_session ] || exit 0
        cd "${0%/*}" || exit 1
        exec 9>lock && flock 9
        open=0
        for process in $(cat sessions); do
            if [ -d /proc/$process ]; then open=$((open + 1)); left="$left $process"; fi
        done
        [ $open -lt $(cat allowed) ] || { echo "Too many logins for '$PAM_USER'."; exit 1; }
        echo $left $PPID > sessions
        """

    /// Sets how many sessions there may be at a time.
    func allow(_ sessions: Int) throws {
        try folder.write("", to: "sessions")
        try folder.write("\(sessions)\n", to: "allowed")
    }

    func enter(_ command: inout ChildProcess.Command) {
        let script = "mount --bind \"$0\" /etc/pam.d/sshd && exec \"$@\""
        command.arguments =
            ["-m", "/bin/sh", "-c", script, folder.path("pam"), command.program]
            + command.arguments
        command.program = "/usr/bin/unshare"
    }
}
