import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import QEMU

/// A QEMU that outlives the object that drives it, as it does when its guardian is killed.
private final class AbandonedQEMU {
    let definition: VMDefinition
    let folder: MachineFolder
    let memory: GuestMemoryFile
    private let launcher = Guest.launcher()

    /// Starts a guest, does something with it, and lets go of it.
    init(_ body: (QEMUMachine) throws -> Void) throws {
        definition = try Guest.definition()
        folder = MachineFolder(path: try Guest.makeFolder())
        memory = try .create(size: definition.memory)
        let machine = try launcher.launch(
            definition, memory: memory, folder: folder, mode: .powerOn)
        try body(try #require(machine as? QEMUMachine))
    }

    func attach(as definition: VMDefinition? = nil) throws -> QEMUMachine {
        let orphan = try #require(OrphanedHypervisor(of: folder))
        let machine = try launcher.attach(
            definition ?? self.definition, to: try orphan.claim(), folder: folder)
        return try #require(machine as? QEMUMachine)
    }

    deinit {
        try? OrphanedHypervisor(of: folder)?.end()
        Guest.remove(folder.path)
    }
}

extension QEMUTests {
    @Suite("Taking over")
    struct AttachTests {
        /// Breaks when QEMU's monitor takes no second client, when taking over changes what the
        /// guest does, or when the new owner cannot stop, resume and end it.
        @Test("A QEMU without its guardian is taken over as it is", arguments: [true, false])
        func takenOver(isPaused: Bool) throws {
            let abandoned = try AbandonedQEMU { if isPaused { try $0.stop() } }
            let machine = try abandoned.attach()
            #expect(try machine.status() == (isPaused ? .paused : .running))
            try machine.stop()
            try machine.resume()
            #expect(try machine.status() == .running)
            machine.destroy()
            #expect(try machine.status() == .failed)
            #expect(OrphanedHypervisor(of: abandoned.folder) == nil)
        }

        /// Breaks when another VM's QEMU is taken for this one's, or a refusal ends it.
        @Test("A QEMU that runs another VM is refused and lives on")
        func otherVM() throws {
            let abandoned = try AbandonedQEMU { _ in }
            let other = try Guest.definition(uuid: .random())
            let error = failure { _ = try abandoned.attach(as: other) }
            #expect(error?.code == .qemu, "\(error as Any)")
            #expect(try abandoned.attach().status() == .running)
        }

        /// Breaks when the memory that is handed out is not the guest's own.
        @Test("Guest RAM is handed out again, sealed and whole")
        func memory() throws {
            let abandoned = try AbandonedQEMU { _ in }
            let found = try PreloadLibrary.memory(
                socket: abandoned.folder.memorySocket, of: abandoned.folder.recordedHypervisor)
            #expect(found.size == abandoned.memory.size)
            #expect(try Self.inode(found) == Self.inode(abandoned.memory))
        }

        /// Breaks when write tracking outlives whoever asked for it, which would keep every later
        /// move from tracking, or when two can track one guest.
        @Test("Write tracking ends with its holder and begins anew")
        func tracking() throws {
            let abandoned = try AbandonedQEMU { _ in }
            let folder = abandoned.folder
            let first = try folder.startTracking(of: abandoned.memory)
            #expect(
                failure { _ = try folder.startTracking(of: abandoned.memory) }?.code == .preload)
            _ = consume first
            let pageCount = abandoned.memory.pageCount
            var tracker = try DirtyTracker(
                try folder.startTracking(of: abandoned.memory), pageCount: pageCount)
            var pages = PageBitmap(pageCount: pageCount)
            try tracker.harvest(into: &pages)
            #expect(!pages.isEmpty)
        }

        /// Breaks when a save that a dead guardian had begun keeps its guest from running, or from
        /// being saved again.
        @Test("Device state that was being saved is taken back")
        func savingBegun() throws {
            var reader: CInt = -1
            let abandoned = try AbandonedQEMU { machine in
                try machine.stop()
                let ends = try UnixSocket.pair(.stream).release()
                reader = ends.first
                let writer = OwnedDescriptor(owning: ends.second)
                // Nothing fits: QEMU is in the middle of the state until its reader goes.
                var size: CInt = 0
                #expect(
                    unsafe setsockopt(
                        writer.number, SOL_SOCKET, SO_SNDBUF, &size,
                        socklen_t(MemoryLayout<CInt>.size)) == 0)
                try machine.monitor.execute(
                    GetDescriptor(fdname: "livemig-state"), passing: writer.number)
                try machine.monitor.execute(MigrateCommand(uri: "fd:livemig-state"))
            }
            // What a worker does whose guardian has died.
            _ = shutdown(reader, CInt(SHUT_RDWR))
            defer { _ = close(reader) }
            let machine = try abandoned.attach()
            #expect(try machine.status() == .paused)
            try machine.resume()
            #expect(try machine.status() == .running)
            try machine.stop()
            let ends = try UnixSocket.pair(.stream).release()
            let thread = WorkerThread("drain") { try Stream.drain(ends.first) }
            try machine.saveDeviceState(
                to: OwnedDescriptor(owning: ends.second), deadline: .now + .seconds(10))
            #expect(try thread.join().prefix(4) == [0x51, 0x45, 0x56, 0x4D])
        }

        private static func inode(_ memory: borrowing GuestMemoryFile) throws -> UInt64 {
            var status = stat()
            let number = memory.descriptor.number
            try SystemCall.check("fstat") { unsafe fstat(number, &status) }
            return UInt64(status.st_ino)
        }
    }
}
