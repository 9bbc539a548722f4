import CLinux
import Glibc
import GuestMemory
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite struct GuestMemoryFileTests {
    /// Breaks when a holder of guest RAM can shrink it under a reader, or grow it.
    @Test func sizeIsSealed() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(1))
        for size in [0, 4096, 2 << 20] as [off_t] {
            #expect(ftruncate(file.descriptor.number, size) == -1)
            #expect(errno == EPERM)
        }
        #expect(lseek(file.descriptor.number, 0, SEEK_END) == 1 << 20)
        #expect(file.pageCount == 256)
    }

    /// Breaks when RAM of an impossible size is created, or the error is not E-NOMEM.
    @Test(arguments: [0, 1, 4095, 4097, (16 << 40) + 4096] as [UInt64])
    func refusesSizes(bytes: UInt64) {
        let error = #expect(throws: LivemigError.self) {
            _ = try GuestMemoryFile.create(size: ByteCount(bytes))
        }
        #expect(error?.code == .memory)
    }

    /// Breaks when holes are reported as populated or written pages are missed.
    @Test func findsPopulatedPages() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(4))
        var pages = PageBitmap(pageCount: file.pageCount)
        try file.addPopulatedPages(to: &pages)
        #expect(pages.isEmpty)

        for page in [0, 7, 8, 500, 1023] {
            var byte: UInt8 = 0
            let offset = off_t(page * 4096 + 100)
            #expect(unsafe pwrite(file.descriptor.number, &byte, 1, offset) == 1)
        }
        try file.addPopulatedPages(to: &pages)
        #expect(pages.runs == [0..<1, 7..<9, 500..<501, 1023..<1024])

        try file.discard(pages: 7..<501)
        pages.removeAll()
        try file.addPopulatedPages(to: &pages)
        #expect(pages.runs == [0..<1, 1023..<1024])
    }

    /// Breaks when discarded pages keep their bytes.
    @Test func discardedPagesReadAsZeros() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(1))
        let mapping = try GuestMapping(file, .write)
        unsafe mapping.address.storeBytes(of: 7, toByteOffset: 5 * 4096, as: UInt8.self)
        try file.discard(pages: 5..<6)
        #expect(unsafe mapping.address.load(fromByteOffset: 5 * 4096, as: UInt8.self) == 0)
    }

    /// Breaks when two mappings of one file do not show the same bytes.
    @Test func mappingsShareMemory() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(1))
        let writer = try GuestMapping(file, .write)
        let reader = try GuestMapping(file, .read)
        #expect(reader.pageCount == 256)
        unsafe writer.address.storeBytes(of: 0xAB, toByteOffset: 4097, as: UInt8.self)
        #expect(unsafe reader.address.load(fromByteOffset: 4097, as: UInt8.self) == 0xAB)
    }

    /// Breaks when reading a hole through a mapping allocates it or not, against what is
    /// documented.
    @Test func readingAHoleAllocatesIt() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(1))
        let reader = try GuestMapping(file, .read)
        #expect(unsafe reader.address.load(fromByteOffset: 9 * 4096, as: UInt8.self) == 0)
        var pages = PageBitmap(pageCount: file.pageCount)
        try file.addPopulatedPages(to: &pages)
        #expect(pages.contains(9))
    }

    /// Breaks when an adopted file differs from the one that was handed over.
    @Test func adoptsSealedFile() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(2))
        let adopted = try GuestMemoryFile(adopting: file.descriptor.duplicate())
        #expect(adopted.size == .mebibytes(2))
    }

    /// What a hostile or confused process may hand over as guest RAM.
    enum Impostor: CaseIterable {
        case unsealed, odd, empty, regularFile, pipe

        func make() throws -> OwnedDescriptor {
            switch self {
            case .unsealed: try Self.sharedMemoryObject(size: 4096)
            case .odd: try Self.sealedMemory(size: 4097)
            case .empty: try Self.sealedMemory(size: 0)
            case .regularFile: try .open("/etc/passwd", O_RDONLY)
            case .pipe: OwnedDescriptor(owning: try OwnedDescriptor.pipe().release().first)
            }
        }

        private static func sealedMemory(size: UInt64) throws -> OwnedDescriptor {
            OwnedDescriptor(
                owning: try SystemCall.checkNegated("memfd_create") {
                    unsafe clinux_memory_create("impostor", size)
                })
        }

        private static func sharedMemoryObject(size: off_t) throws -> OwnedDescriptor {
            let name = "/livemig-impostor-\(getpid())"
            let number = try SystemCall.check("shm_open") {
                unsafe shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
            }
            _ = unsafe shm_unlink(name)
            try SystemCall.check("ftruncate") { ftruncate(number, size) }
            return OwnedDescriptor(owning: number)
        }
    }

    /// Breaks when a file whose size can change, or that cannot be guest RAM, is mapped as one.
    @Test(arguments: Impostor.allCases) func refusesToAdopt(_ impostor: Impostor) throws {
        let descriptor = try impostor.make().release()
        let error = #expect(throws: LivemigError.self) {
            _ = try GuestMemoryFile(adopting: OwnedDescriptor(owning: descriptor))
        }
        #expect(error?.code == .permission)
    }
}

@Suite struct MemoryAdoptionTests {
    /// Breaks when memory is taken over whose holder can cut it short, or whose size is not the one
    /// that was agreed on: reading beyond its end would raise SIGBUS.
    @Test func onlySealedMemoryOfTheRightSizeIsAdopted() throws {
        let folder = try ScratchFolder()
        let plain = try OwnedDescriptor.open(folder.path("ram"), O_RDWR | O_CREAT)
        #expect(ftruncate(plain.number, 1 << 20) == 0)
        #expect(refusal { _ = try GuestMemoryFile(adopting: plain.duplicate()) } == .permission)

        let sealed = try GuestMemoryFile.create(size: .mebibytes(1))
        let adopted = try GuestMemoryFile(
            adopting: sealed.descriptor.duplicate(), expecting: .mebibytes(1))
        #expect(adopted.pageCount == 256)
        for size in [ByteCount(4096), .mebibytes(2), ByteCount(0)] {
            #expect(
                refusal {
                    _ = try GuestMemoryFile(
                        adopting: sealed.descriptor.duplicate(), expecting: size)
                } == .permission, "\(size)")
        }
        let socket = try UnixSocket.pair(.stream)
        #expect(
            refusal { _ = try GuestMemoryFile(adopting: socket.first.duplicate()) } == .permission)
    }

    private func refusal(_ body: () throws -> Void) -> ErrorCode? {
        do {
            try body()
            return nil
        } catch {
            return (error as? LivemigError)?.code
        }
    }
}
