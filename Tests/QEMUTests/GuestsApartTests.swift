import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import QEMU

extension QEMUTests {
    /// What a guest that has broken out of its QEMU reaches of another guest; needs root.
    @Suite("Guests apart")
    struct GuestsApartTests {
        /// Tries, as the user of a QEMU that has broken out, everything by which processes of one
        /// user reach each other; says what could be done.
        private func reach(of process: Int32, as user: UInt32) throws -> [String] {
            let program = """
                my $p = "/proc/$ARGV[0]"; my @done;
                for my $n (3 .. 12) {
                    for my $mode ('<', '+<') { push @done, "fd/$n $mode" if open my $f, $mode, "$p/fd/$n" }
                }
                push @done, 'fd' if opendir my $d, "$p/fd";
                for my $name ('mem', 'environ', 'maps', 'pagemap') {
                    push @done, $name if open(my $f, '<', "$p/$name") && sysread($f, my $b, 1) > 0;
                }
                use Socket;
                for my $name ('monitor.sock', 'memory.sock') {
                    for my $type (1, 5) {
                        socket(my $s, AF_UNIX, $type, 0) or next;
                        push @done, $name if connect($s, pack_sockaddr_un("$p/fd/4/$name"));
                    }
                }
                push @done, 'ptrace' if syscall(101, 16, $ARGV[0], 0, 0) == 0;
                print join ', ', @done;
                """
            let (status, output) = try Tool.outcome(
                Tool.path("setpriv", package: "util-linux"),
                [
                    "--reuid=\(user)", "--regid=\(user)", "--clear-groups",
                    Tool.path("perl", package: "perl-base"), "-e", program, String(process),
                ])
            #expect(status == 0, "\(output)")
            return output.split(separator: ",").map(String.init)
        }

        /// Breaks when a guest that has broken out reads or writes the memory of another whose QEMU
        /// runs as the same user, traces it, or speaks to its monitor.
        @Test("QEMUs of one user do not reach each other")
        func oneUser() throws {
            let nobody = try HypervisorUser(named: "nobody")
            let guest = try Guest(try Guest.definition(), as: nobody)
            #expect(try reach(of: guest.machine.process, as: nobody.id) == [])
            var status = stat()
            let number = guest.memory.descriptor.number
            try SystemCall.check("fstat") { unsafe fstat(number, &status) }
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(status.st_uid == geteuid())
            // Root's agents still see its page tables.
            var tracker = try DirtyTracker(
                guest.folder.startTracking(of: guest.memory), pageCount: guest.memory.pageCount)
            var pages = PageBitmap(pageCount: guest.memory.pageCount)
            try tracker.harvest(into: &pages)
        }

        /// Breaks when two VMs of a host get the same user, a VM gets another one at each start, or a
        /// number is given to a VM while a process still runs as it.
        @Test("every VM has a user of its own")
        func pool() throws {
            let scratch = try ScratchFolder()
            let range = try HypervisorUserRange(300_000, 300_003)
            let pool = HypervisorUserPool(machines: scratch.path, range: range)
            func folder(_ name: String) -> MachineFolder {
                _ = unsafe mkdir(scratch.path(name), 0o700)
                return MachineFolder(path: scratch.path(name))
            }
            let ids = try ["a", "b", "c", "a"].map { try pool.user(for: folder($0)).id }
            #expect(ids == [300_000, 300_001, 300_002, 300_000])
            try FolderTree.remove(scratch.path("b"))
            #expect(try pool.user(for: folder("d")).id == 300_001)
            // A process of a VM that has gone.
            let stray = try ChildProcess(
                .init(
                    try Tool.path("setpriv", package: "util-linux"),
                    ["--reuid=300003", "--clear-groups", "/bin/sleep", "60"]))
            defer { stray.end(grace: .zero) }
            let deadline = MonotonicTime.now + .seconds(5)
            while !ProcessFiles.text("/proc/\(stray.id)/status").contains("Uid:\t300003"),
                deadline > .now
            { usleep(5_000) }
            #expect(failure { _ = try pool.user(for: folder("e")) }?.code == .resource)
            // Another range, and numbers that are users of the host, as 65534 is.
            let named = HypervisorUserPool(
                machines: scratch.path, range: try HypervisorUserRange(65_534, 65_535))
            #expect(try named.user(for: folder("a")).id == 65_535)
            #expect(failure { _ = try named.user(for: folder("c")) }?.code == .resource)
            // A file that says nothing is as none; one that another VM has as well is not kept.
            try scratch.write("300002\n", to: "e/hypervisor-user")
            #expect(try pool.user(for: folder("e")).id == 300_000)
        }

        /// Breaks when QEMU cannot run as a user that is only a number, or one that is reaches what
        /// another has.
        @Test("a QEMU runs as a number, and others do not reach it")
        func apart() throws {
            let scratch = try ScratchFolder()
            #expect(unsafe mkdir(scratch.path("a"), 0o700) == 0)
            let pool = HypervisorUserPool(
                machines: scratch.path, range: try HypervisorUserRange(300_100, 300_100))
            let user = try pool.user(for: MachineFolder(path: scratch.path("a")))
            let guest = try Guest(try Guest.definition(), as: user)
            let status = ProcessFiles.text("/proc/\(guest.machine.process)/status")
            #expect(status.contains("Uid:\t300100\t300100\t300100\t300100"))
            #expect(status.contains("Gid:\t300100\t300100\t300100\t300100"))
            #expect(status.contains("Groups:\t \n") || status.contains("Groups:\t\n"))
            for attacker in [300_100, 300_101] as [UInt32] {
                #expect(try reach(of: guest.machine.process, as: attacker) == [], "\(attacker)")
            }
        }

        /// Breaks when a QEMU whose filter does not work is started all the same, without anybody
        /// having asked for that.
        @Test("a QEMU without a system call filter is refused unless that is allowed")
        func sandbox() throws {
            let scratch = try ScratchFolder()
            let program = "/usr/bin/qemu-system-x86_64"
            try scratch.write(
                """
                #!/bin/sh
                case "$1" in -sandbox) exit 1;; esac
                exec \(program) "$@"
                """, to: "qemu", mode: 0o755)
            var definition = try Guest.definition()
            definition.emulator = scratch.path("qemu")
            let memory = try GuestMemoryFile.create(size: definition.memory)
            let folder = MachineFolder(path: scratch.path)
            let strict = Guest.launcher(emulators: [scratch.path])
            for error in [
                failure {
                    _ = try strict.launch(
                        definition, memory: memory, folder: folder, mode: .powerOn)
                }, failure { try strict.requireSupport(of: definition) },
            ] {
                #expect(error?.code == .qemu)
                #expect(error?.explanation.contains("sandbox optional") == true)
            }
            let lenient = Guest.launcher(
                emulators: [scratch.path], rules: LaunchRules(requiresSandbox: false))
            try lenient.requireSupport(of: definition)
        }

        /// Breaks when a guest whose interface the host refuses comes or starts all the same.
        @Test("interfaces of type user are refused where the host says so")
        func userNetworks() throws {
            var definition = try Guest.definition()
            definition.interfaces = [.init(attachment: .user, mac: "52:54:00:00:00:02")]
            for (network, code) in [
                (UserNetworking.refused, ErrorCode.network), (.open, nil), (.restricted, nil),
            ] {
                let launcher = Guest.launcher(rules: LaunchRules(userNetworking: network))
                #expect(failure { try launcher.requireSupport(of: definition) }?.code == code)
            }
        }
    }
}
