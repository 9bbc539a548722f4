import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import Hypervisor

/// How a hypervisor that was killed for want of memory is told from others.
@Suite struct MemoryKillTests {
    private static func sleeper(_ kills: @escaping () -> UInt64) throws -> HypervisorProcess {
        HypervisorProcess(
            try ChildProcess(ChildProcess.Command("/bin/sleep", ["60"])), memoryKills: kills)
    }

    // Breaks when the kernel's kill is not known as one, or a kill by somebody else is taken for it.
    @Test(arguments: [true, false]) func killed(byKernel: Bool) throws {
        let count = Counter()
        let process = try Self.sleeper { count.value }
        #expect(!process.wasKilledForMemory)
        if byKernel { count.value += 1 }
        kill(process.id, SIGKILL)
        #expect(process.awaitEnd(.seconds(10)) == .status(128 + SIGKILL))
        #expect(process.wasKilledForMemory == byKernel)
    }

    // Breaks when what livemig ends by itself looks like a lack of memory.
    @Test func endedHere() throws {
        let count = Counter()
        let process = try Self.sleeper { count.value }
        count.value += 1
        process.kill()
        #expect(!process.wasKilledForMemory)
    }

    private final class Counter {
        var value: UInt64 = 0
    }
}
