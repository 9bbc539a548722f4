import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import QEMU

/// Everything that runs QEMU, one at a time.
@Suite("QEMU", .serialized, .timeLimit(.minutes(5)))
struct QEMUTests {}

extension QEMUTests {
    @Suite("Machine")
    struct MachineTests {
        /// Breaks when a launch returns before QEMU answers, or when stop and resume do not reach
        /// the vCPUs.
        @Test("A guest is launched, stopped, resumed and destroyed")
        func life() throws {
            let guest = try Guest(try Guest.definition())
            #expect(try guest.machine.status() == .running)
            try guest.machine.stop()
            #expect(try guest.machine.status() == .paused)
            try guest.machine.resume()
            #expect(try guest.machine.status() == .running)
            guest.machine.announce()
            let process = guest.machine.process
            #expect(kill(process, 0) == 0)
            guest.machine.destroy()
            #expect(kill(process, 0) != 0)
            #expect(unsafe access(guest.folder.monitorSocket, F_OK) != 0)
            #expect(unsafe access(guest.folder.memorySocket, F_OK) != 0)
        }

        /// Breaks when QEMU's filter, or anything else, keeps the library from registering RAM, or
        /// when write tracking misses pages that the firmware writes.
        @Test("Write tracking works in a confined QEMU")
        func tracking() throws {
            let guest = try Guest(try Guest.definition())
            let probe = QEMUProbe()
            #expect(try probe.facts(of: probe.program(for: guest.definition)).sandbox)
            let count = guest.memory.pageCount
            var tracker = try DirtyTracker(
                guest.folder.startTracking(of: guest.memory), pageCount: count)
            try guest.machine.stop()
            var pages = PageBitmap(pageCount: count)
            try tracker.harvest(into: &pages)
            var quiet = PageBitmap(pageCount: count)
            try tracker.harvest(into: &quiet)
            #expect(quiet.isEmpty, "a stopped guest writes nothing")
            // A reset makes QEMU itself write its firmware tables and blocks again.
            try guest.machine.resume()
            try guest.machine.monitor.execute(SystemReset())
            let deadline = MonotonicTime.now + .seconds(20)
            while quiet.isEmpty, deadline > .now {
                usleep(20_000)
                try tracker.harvest(into: &quiet)
            }
            #expect(!quiet.isEmpty, "a booting firmware writes RAM")
        }

        /// Breaks when a QEMU without the library is taken for one with it.
        @Test("A QEMU that could not load the library is refused")
        func withoutLibrary() throws {
            let folder = MachineFolder(path: try Guest.makeFolder())
            defer { Guest.remove(folder.path) }
            let definition = try Guest.definition()
            let memory = try GuestMemoryFile.create(size: definition.memory)
            let error = failure {
                _ = try Guest.launcher(library: folder.path + "/none.so").launch(
                    definition, memory: memory, folder: folder, mode: .powerOn)
            }
            #expect(error?.code == .preload)
            #expect(error?.what.contains("cannot be preloaded") == true)
        }

        /// Breaks when a failed start leaves out QEMU's own reason, or waits for the time limit.
        @Test("A QEMU that does not start gives its reason at once")
        func badDisk() throws {
            let start = MonotonicTime.now
            var definition = try Guest.definition()
            let folder = try ScratchFolder()
            let path = folder.path("a,b.img")
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT)
            let header: [UInt8] = [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 3]
            try DescriptorIO.write(
                header + [UInt8](repeating: 0, count: 504), to: file.number)
            definition.disks = [.init(path: path, format: .qcow2, target: "vda")]
            let error = failure { _ = try Guest(definition) }
            #expect(error?.code == .qemu)
            #expect(error?.what.contains("cluster size") == true, "\(error as Any)")
            #expect(start.elapsed < .seconds(10))
        }

        /// Breaks when a machine type that this QEMU lacks is not named.
        @Test("An unknown machine type is refused by name")
        func badMachine() throws {
            let error = failure { _ = try Guest(try Guest.definition(machine: "pc-q35-99.9")) }
            #expect(error?.code == .machine)
            #expect(error?.what.contains("pc-q35-99.9") == true, "\(error as Any)")
        }

        /// Breaks when a missing program is not named together with its package.
        @Test("A missing QEMU names its package")
        func missing() throws {
            var definition = try Guest.definition()
            definition.emulator = "/usr/bin/qemu-system-none"
            let error = failure {
                _ = try Guest.launcher(library: "/none").version(for: definition)
            }
            #expect(error?.code == .qemu)
            #expect(error?.fix.contains("qemu-system-x86") == true)
        }

        /// Breaks when a guest that is gone is reported as QEMU's fault, or is waited for.
        @Test("A guest that powered itself off is told apart from a killed QEMU")
        func poweredOff() throws {
            let guest = try Guest(try Guest.definition())
            try guest.machine.monitor.execute(QuitCommand())
            #expect(failure { try guest.machine.stop() }?.code == .guestDown)
            #expect(try guest.machine.status() == .shutdown)
            let killed = try Guest(try Guest.definition())
            kill(killed.machine.process, SIGKILL)
            let error = failure { try killed.machine.stop() }
            #expect(error?.code == .qmp)
            #expect(error?.what.contains("status 137") == true)
            #expect(try killed.machine.status() == .failed)
        }

        /// Breaks when a QEMU that hangs blocks its guardian, or when a stop that comes late leaves
        /// the guest paused.
        @Test("A hanging QEMU times out, and a late stop is undone")
        func hanging() throws {
            let guest = try Guest(try Guest.definition())
            kill(guest.machine.process, SIGSTOP)
            let start = MonotonicTime.now
            let error = failure { try guest.machine.stop() }
            #expect(error?.code == .qmp)
            #expect(start.elapsed < .seconds(7))
            kill(guest.machine.process, SIGCONT)
            #expect(try guest.machine.status() == .running)
        }
    }
}

/// `system_reset`: as the reset button.
struct SystemReset: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "system_reset"
}

/// `quit`: QEMU ends with status 0, as after the guest's own power-off.
struct QuitCommand: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "quit"
}
