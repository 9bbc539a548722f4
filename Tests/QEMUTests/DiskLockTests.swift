import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import QEMU

extension QEMUTests {
    @Suite("Disk locks")
    struct DiskLockTests {
        /// Breaks when the locks of a shared image do not follow the guest: the source must be able
        /// to take it back, and then the destination must not start.
        @Test(
            "A source takes its disk back after the state was loaded elsewhere",
            arguments: VMDefinition.Disk.Format.allCases)
        func takeBack(_ format: VMDefinition.Disk.Format) throws {
            let (folder, definition) = try Self.withDisk(format)
            defer { Guest.remove(folder) }
            let source = try Guest(definition)
            let destination = try Guest(definition, .incoming)
            try source.machine.stop()
            let stream = try source.saved()
            try destination.copyMemory(of: source)
            try destination.load(stream)
            #expect(try destination.machine.status() == .paused)
            try source.machine.resume()
            #expect(try source.machine.status() == .running)
            let error = failure { try destination.machine.resume() }
            #expect(error?.code == .lock, "\(error as Any)")
            #expect(error?.what.contains("lock") == true)
            #expect(try destination.machine.status() == .paused, "no instruction has run")
        }

        /// Breaks when the destination cannot take the image, or when the source can still run
        /// after it did.
        @Test(
            "A destination takes the disk over, and the source cannot run any more",
            arguments: VMDefinition.Disk.Format.allCases)
        func handOver(_ format: VMDefinition.Disk.Format) throws {
            let (folder, definition) = try Self.withDisk(format)
            defer { Guest.remove(folder) }
            let source = try Guest(definition)
            let destination = try Guest(definition, .incoming)
            try source.machine.stop()
            let stream = try source.saved()
            try destination.copyMemory(of: source)
            try destination.load(stream)
            try destination.machine.resume()
            let error = failure { try source.machine.resume() }
            #expect(error?.code == .lock, "\(error as Any)")
            #expect(try source.machine.status() == .paused)
            #expect(try destination.machine.status() == .running)
        }

        /// Breaks when two guests can run on one image.
        @Test("A second guest on the same image does not start")
        func secondGuest() throws {
            let (folder, definition) = try Self.withDisk(.raw)
            defer { Guest.remove(folder) }
            let first = try Guest(definition)
            let error = failure { _ = try Guest(definition) }
            #expect(error?.code == .qemu || error?.code == .lock)
            #expect(error?.what.contains("lock") == true, "\(error as Any)")
            #expect(try first.machine.status() == .running)
        }

        private static func withDisk(
            _ format: VMDefinition.Disk.Format
        ) throws -> (folder: String, VMDefinition) {
            let folder = try Guest.makeFolder()
            let image = folder + "/disk.img"
            let process = try ChildProcess(
                .init("/usr/bin/qemu-img", ["create", "-q", "-f", format.rawValue, image, "16M"]))
            try #require(process.wait() == 0, "qemu-img of the package qemu-utils")
            var definition = try Guest.definition()
            definition.disks = [.init(path: image, format: format, target: "vda")]
            return (folder, definition)
        }
    }
}
