import Glibc
import MigrationModel
import TestSupport
import Testing

@testable import HostAgent

/// Limits of control groups, read from folders like the kernel's.
@Suite struct MemoryLimitsTests {
    private static let gib: UInt64 = 1 << 30
    private static let host = (total: ByteCount(64 * gib), available: ByteCount(60 * gib))

    private static func files(_ files: [String: String]) throws -> ScratchFolder {
        let folder = try ScratchFolder()
        for (path, text) in files {
            var made = folder.path
            for part in path.split(separator: "/").dropLast() {
                made += "/\(part)"
                _ = unsafe mkdir(made, 0o700)
            }
            try folder.write(text + "\n", to: path)
        }
        return folder
    }

    private static let unified = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"

    // Breaks when the limit of a group further up is overlooked, or files that the kernel can drop
    // count as used.
    @Test func groupsAbove() throws {
        let folder = try Self.files([
            "proc/self/mountinfo": Self.unified,
            "proc/self/cgroup": "0::/user.slice/session-1.scope",
            "sys/fs/cgroup/user.slice/session-1.scope/memory.max": "max",
            "sys/fs/cgroup/user.slice/memory.max": "\(8 * Self.gib)",
            "sys/fs/cgroup/user.slice/memory.high": "max",
            "sys/fs/cgroup/user.slice/memory.current": "\(5 * Self.gib)",
            "sys/fs/cgroup/user.slice/memory.stat":
                "anon 1\ninactive_file \(Self.gib)\nactive_file \(Self.gib)",
        ])
        let limits = MemoryLimits(root: folder.path)
        let memory = limits.applied(to: Self.host)
        #expect(memory.total == ByteCount(8 * Self.gib))
        #expect(memory.available == ByteCount(5 * Self.gib))
        #expect(limits.all().map(\.group) == ["/sys/fs/cgroup/user.slice"])
    }

    // Breaks when only the hard limit counts: beyond memory.high a group is slowed to a standstill.
    @Test func softerLimit() throws {
        let folder = try Self.files([
            "proc/self/mountinfo": Self.unified, "proc/self/cgroup": "0::/a",
            "sys/fs/cgroup/a/memory.max": "\(8 * Self.gib)",
            "sys/fs/cgroup/a/memory.high": "\(4 * Self.gib)",
            "sys/fs/cgroup/a/memory.current": "\(Self.gib)",
        ])
        let memory = MemoryLimits(root: folder.path).applied(to: Self.host)
        #expect(memory.available == ByteCount(3 * Self.gib))
    }

    // Breaks when the limit of the slice that systemd puts guests into does not count, or that of
    // the login that starts them does.
    @Test func slice() throws {
        let folder = try Self.files([
            "proc/self/mountinfo": Self.unified, "proc/self/cgroup": "0::/user.slice",
            "sys/fs/cgroup/user.slice/memory.max": "\(Self.gib)",
            "sys/fs/cgroup/machine.slice/memory.max": "\(16 * Self.gib)",
            "sys/fs/cgroup/machine.slice/memory.current": "0",
        ])
        let memory = MemoryLimits(root: folder.path, slice: "/machine.slice").applied(to: Self.host)
        #expect(memory.total == ByteCount(16 * Self.gib))
    }

    // Breaks when a container's group, which is the top of what it sees, is looked for below it.
    @Test(arguments: ["/", "/docker/1234"])
    func container(top: String) throws {
        let folder = try Self.files([
            "proc/self/mountinfo": "30 24 0:26 \(top) /sys/fs/cgroup rw - cgroup2 cgroup rw",
            "proc/self/cgroup": top == "/" ? "0::/" : "0::/docker/1234",
            "sys/fs/cgroup/memory.max": "\(2 * Self.gib)",
            "sys/fs/cgroup/memory.current": "\(Self.gib)",
        ])
        let memory = MemoryLimits(root: folder.path).applied(to: Self.host)
        #expect(memory.total == ByteCount(2 * Self.gib))
        #expect(memory.available == ByteCount(Self.gib))
    }

    // Breaks when hosts with the first version of groups have no limits, or its number for "none"
    // is taken for one.
    @Test func firstVersion() throws {
        let folder = try Self.files([
            "proc/self/mountinfo":
                "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                + "36 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            "proc/self/cgroup": "5:cpu:/x\n4:memory:/job/inner\n0::/",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "\(6 * Self.gib)",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "\(7 * Self.gib)",
            "sys/fs/cgroup/memory/job/inner/memory.limit_in_bytes": "9223372036854771712",
        ])
        let memory = MemoryLimits(root: folder.path).applied(to: Self.host)
        #expect(memory.total == ByteCount(6 * Self.gib))
        #expect(memory.available == ByteCount(0))
    }

    // Breaks when files that are missing or say nonsense are limits, or trap.
    @Test(arguments: ["", "-1", "x", "99999999999999999999999", "0::/../../etc"])
    func nonsense(text: String) throws {
        let folder = try Self.files([
            "proc/self/mountinfo": Self.unified, "proc/self/cgroup": "0::/../a\n\(text)",
            "sys/fs/cgroup/memory.max": text, "sys/fs/cgroup/memory.stat": "inactive_file \(text)",
        ])
        let memory = MemoryLimits(root: folder.path).applied(to: Self.host)
        #expect(memory == Self.host)
    }
}
