import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import QEMU

extension QEMUTests {
    // Needs root.
    @Suite("Hypervisor's user")
    struct HypervisorUserTests {
        /// The fields of a process's status that say who it is.
        private func identity(_ process: Int32) -> [String] {
            ProcessFiles.text("/proc/\(process)/status").split(separator: "\n")
                .filter { $0.hasPrefix("Uid:") || $0.hasPrefix("Gid:") || $0.hasPrefix("CapEff:") }
                .map { $0.split(separator: "\t").dropFirst().joined(separator: " ") }
        }

        /// Breaks when QEMU keeps a privilege of its guardian, when its user cannot listen, log,
        /// or open guest RAM, or when write tracking needs a privilege.
        @Test("QEMU without privileges runs, is stopped, saved and tracked")
        func withoutPrivileges() throws {
            let nobody = try HypervisorUser(named: "nobody")
            var definition = try Guest.definition()
            definition.serialPorts = 1
            let guest = try Guest(definition, as: nobody)
            let number = String(nobody.id)
            let group = String(nobody.group)
            #expect(
                identity(guest.machine.process) == [
                    Array(repeating: number, count: 4).joined(separator: " "),
                    Array(repeating: group, count: 4).joined(separator: " "),
                    String(repeating: "0", count: 16),
                ])
            var tracker = try DirtyTracker(
                guest.folder.startTracking(of: guest.memory),
                pageCount: guest.memory.pageCount)
            var pages = PageBitmap(pageCount: guest.memory.pageCount)
            try tracker.harvest(into: &pages)
            try guest.machine.stop()
            #expect(try !guest.saved().isEmpty)
            try guest.machine.resume()
            #expect(try guest.machine.status() == .running)
            let socket = try UnixSocket.connect(guest.folder.consoleSocket, .stream)
            _ = consume socket
        }

        /// Breaks when QEMU opens disks by itself, needs rights on them, or does not find the image
        /// below another.
        @Test("QEMU without privileges has disks that its user may not open")
        func disks() throws {
            let nobody = try HypervisorUser(named: "nobody")
            let images = try ScratchFolder()
            for (name, options) in [
                ("base", ["-f", "raw"]), ("top", ["-f", "qcow2", "-b", "base", "-F", "raw"]),
            ] {
                try Tool.run(
                    "qemu-img", package: "qemu-utils",
                    ["create", "-q"] + options + [images.path(name), "4M"])
                try #require(unsafe chmod(images.path(name), 0o600) == 0)
            }
            var definition = try Guest.definition()
            definition.disks = [.init(path: images.path("top"), format: .qcow2, target: "vda")]
            definition.randomSource = "/dev/urandom"
            let guest = try Guest(definition, as: nobody)
            #expect(try guest.machine.status() == .running)
            let second = failure { _ = try Guest(definition, as: nobody) }
            #expect(second?.what.contains("lock") == true, "\(second as Any)")
            #expect(second?.what.contains("fdset") == false, "\(second as Any)")
        }

        /// Breaks when a broken-out guest could enter its VM's folder, where the record is.
        @Test("The folder of sockets is all that the user may write to")
        func folders() throws {
            let nobody = try HypervisorUser(named: "nobody")
            let guest = try Guest(try Guest.definition(), as: nobody)
            var status = stat()
            try #require(unsafe stat(guest.folder.sockets, &status) == 0)
            #expect(status.st_uid == nobody.id)
            #expect(status.st_mode & 0o7777 == 0o700)
            try #require(unsafe stat(guest.folder.path, &status) == 0)
            #expect(status.st_uid == 0)
            #expect(status.st_mode & 0o077 == 0)
            try #require(unsafe stat(guest.folder.hypervisorLog, &status) == 0)
            #expect(status.st_uid == 0)
        }

        /// Breaks when a user that is not there is passed to the system all the same.
        @Test("An unknown user is told")
        func unknown() throws {
            let error = failure { _ = try HypervisorUser(named: "no-such-user") }
            #expect(error?.code == .qemu)
            #expect(error?.explanation.contains("no-such-user") == true)
        }
    }
}
