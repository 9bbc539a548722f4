import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import SavedGuests
import TestSupport
import Testing

@Suite("Guests in files")
struct SavedImageTests {
    private static let size = ByteCount.mebibytes(8)
    private static let state: [UInt8] = (0..<70_001).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    /// A guest's memory, and the folder that it is saved to.
    private final class Guest {
        let scratch: ScratchFolder
        let folder: MachineFolder
        let memory: GuestMemoryFile
        let identity: SavedHeader.Identity

        /// Random pages here and there, pages of zeros that are allocated, and holes.
        init() throws {
            scratch = try ScratchFolder()
            folder = MachineFolder(path: scratch.path)
            var identity = SavedHeaderTests.identity
            identity.memory = size
            self.identity = identity
            memory = try Self.memory()
        }

        private static func memory() throws -> GuestMemoryFile {
            let memory = try GuestMemoryFile.create(size: size)
            var random = Seeded(7)
            let zeros = [UInt8](repeating: 0, count: 4096)
            let contents =
                [0, 1, 2, 255, 257, 700, 2047].map { ($0, random.bytes(4096)) }
                + [3, 256, 1000].map { ($0, zeros) }
            for (page, bytes) in contents {
                let isWritten = unsafe bytes.withUnsafeBytes {
                    unsafe memory.write($0, toPage: UInt64(page))
                }
                try #require(isWritten)
            }
            return memory
        }

        func save(
            _ progress: SavedImage.Progress = { (_, _) throws(LivemigError) in }
        ) throws {
            try SavedImage.write(
                memory, state: state, identity, wasRunning: true, in: folder, progress)
        }

        func restore(
            from path: String? = nil
        ) throws(LivemigError) -> (SavedHeader, [UInt8], [UInt8]) {
            let fresh = try GuestMemoryFile.create(size: size)
            let (header, state) = try SavedImage.read(
                path ?? folder.saved, identity, into: fresh
            ) { (_, _) throws(LivemigError) in }
            return (header, state, try Self.content(of: fresh))
        }

        static func content(
            of memory: borrowing GuestMemoryFile
        ) throws(LivemigError) -> [UInt8] {
            _ = lseek(memory.descriptor.number, 0, SEEK_SET)
            return try DescriptorIO.readFully(
                upTo: Int(memory.size.bytes), from: memory.descriptor.number)
        }
    }

    // Broken by: a page that is left out, put elsewhere or restored as something else, and holes or
    // zeros that take room on the disk.
    @Test func memoryComesBack() throws {
        let guest = try Guest()
        try guest.save()
        let file = SavedFile(of: guest.folder)
        #expect(!file.exists)
        try file.keep()
        #expect(file.exists)
        var status = stat()
        try #require(unsafe stat(guest.folder.saved, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(status.st_size == 4096 + 8 << 20 + off_t(Self.state.count))
        #expect(status.st_blocks * 512 < 1 << 20)
        let (header, state, content) = try guest.restore()
        #expect(header.wasRunning)
        #expect(state == Self.state)
        #expect(content == (try Guest.content(of: guest.memory)))
        // Restoring changes nothing of the file; only its guardian takes its worth away.
        try file.spend()
        #expect(!file.exists)
        #expect(throws: LivemigError.self) { try guest.restore() }
        try file.discard()
        #expect(TreeListing.names(in: guest.folder.path) == [])
    }

    // Broken by: a file that is torn, cut short, longer or changed in one bit being restored.
    @Test(
        "damaged",
        arguments: [
            4096 + 17, 4096 + 255 * 4096 + 4095, 4096 + 2047 * 4096, 4096 + 8 << 20,
            4096 + 8 << 20 + 70_000, 4096 + 3 * 4096, 60, 0,
        ])
    func flipped(offset: Int) throws {
        let guest = try Guest()
        try guest.save()
        try SavedFile(of: guest.folder).keep()
        do {
            let file = try OwnedDescriptor.open(guest.folder.saved, O_RDWR)
            var byte: UInt8 = 0
            let number = file.number
            try #require(unsafe pread(number, &byte, 1, off_t(offset)) == 1)
            byte ^= 0x10
            try #require(unsafe pwrite(number, &byte, 1, off_t(offset)) == 1)
        }
        let error = #expect(throws: LivemigError.self) { try guest.restore() }
        #expect(error?.code == .savedFile)
    }

    // Broken by: a file of another length than was written being restored.
    @Test(
        "of another length",
        arguments: [0, 100, 4096, 5 << 20, 4096 + 8 << 20 + 70_000, 9 << 20])
    func length(bytes: Int) throws {
        let guest = try Guest()
        try guest.save()
        try SavedFile(of: guest.folder).keep()
        try #require(unsafe truncate(guest.folder.saved, off_t(bytes)) == 0)
        let error = #expect(throws: LivemigError.self) { try guest.restore() }
        #expect(error?.code == .savedFile)
    }

    // Broken by: a file that others can read or write, that is a link, or that has another name.
    @Test func exposed() throws {
        let guest = try Guest()
        try guest.save()
        try SavedFile(of: guest.folder).keep()
        let path = guest.folder.saved
        try #require(unsafe chmod(path, 0o640) == 0)
        var error = #expect(throws: LivemigError.self) { try guest.restore() }
        #expect(error?.code == .savedFile)
        try #require(unsafe chmod(path, 0o600) == 0)
        try #require(unsafe symlink(path, guest.folder.path + "/link") == 0)
        error = #expect(throws: LivemigError.self) {
            try guest.restore(from: guest.folder.path + "/link")
        }
        #expect(error?.code == .savedFile)
    }

    // Broken by: a save that was given up leaving a file that could come to count, or one that
    // says nothing of how far it is.
    @Test func givenUp() throws {
        let guest = try Guest()
        var steps: [UInt64] = []
        try guest.save { (done, total) throws(LivemigError) in
            #expect(done <= total)
            steps.append(done)
        }
        #expect(steps.count > 1 && steps == steps.sorted())
        let error = #expect(throws: LivemigError.self) {
            try guest.save { (done, _) throws(LivemigError) in
                throw LivemigError(.cancelled, "at \(done)")
            }
        }
        #expect(error?.code == .cancelled)
        #expect(TreeListing.names(in: guest.folder.path) == [])
        #expect(throws: LivemigError.self) { try SavedFile(of: guest.folder).keep() }
    }
}
