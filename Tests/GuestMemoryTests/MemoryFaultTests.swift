import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import GuestMemory

@Suite struct MemoryFaultTests {
    private static let pages = 16

    /// A file that, unlike guest RAM, can be cut short under its mapping: what is beyond its end
    /// raises the same signal as poisoned memory.
    private func memory(in folder: ScratchFolder) throws -> GuestMemoryFile {
        let file = try OwnedDescriptor.open(folder.path("ram"), O_RDWR | O_CREAT)
        try #require(ftruncate(file.number, off_t(Self.pages * 4096)) == 0)
        return GuestMemoryFile(descriptor: file, size: ByteCount(UInt64(Self.pages * 4096)))
    }

    /// Breaks when a bus error in guest RAM ends the process, goes unnoticed, is told of another
    /// page, or spoils pages that are whole.
    @Test(arguments: [GuestMapping.Access.read, .write])
    func faultsAreSurvivedAndTold(access: GuestMapping.Access) throws {
        let folder = try ScratchFolder()
        let memory = try memory(in: folder)
        let other = try GuestMapping(memory, .write)
        for page in 0..<Self.pages {
            unsafe other.address.storeBytes(of: 7, toByteOffset: page * 4096, as: UInt8.self)
        }
        let mapping = try GuestMapping(memory, access, survivesFaults: true)
        #expect(ftruncate(memory.descriptor.number, 9 * 4096) == 0)
        for page in 0..<9 {
            #expect(unsafe mapping.address.load(fromByteOffset: page * 4096, as: UInt8.self) == 7)
        }
        try mapping.requireIntact()
        for page in [11, 9] {
            if access == .write {
                unsafe mapping.address.storeBytes(
                    of: 0, toByteOffset: page * 4096 + 4095, as: UInt8.self)
            }
            #expect(
                unsafe mapping.address.load(fromByteOffset: page * 4096 + 4095, as: UInt8.self) == 0
            )
        }
        let error = #expect(throws: LivemigError.self) { try mapping.requireIntact() }
        #expect(error?.code == .poison)
        #expect(error?.what.contains("page 11 ") == true, "\(error as Any)")
    }

    /// Breaks when a mapping that has gone is still watched, or the faults of one are told of
    /// another.
    @Test func watchesEndWithTheirMappings() throws {
        let folder = try ScratchFolder()
        let memory = try memory(in: folder)
        #expect(ftruncate(memory.descriptor.number, 4096) == 0)
        for _ in 0..<200 {
            let whole = try GuestMapping(memory, .read, survivesFaults: true)
            let mapping = try GuestMapping(memory, .read, survivesFaults: true)
            _ = unsafe mapping.address.load(fromByteOffset: 4096, as: UInt8.self)
            #expect(throws: LivemigError.self) { try mapping.requireIntact() }
            try whole.requireIntact()
        }
    }

    /// Breaks when guest RAM goes into the core dumps of whoever maps it (madvise(2),
    /// `MADV_DONTDUMP`; `dd` in proc(5), `VmFlags`).
    @Test func mappingsAreLeftOutOfCoreDumps() throws {
        let file = try GuestMemoryFile.create(size: .mebibytes(1))
        let mapping = try GuestMapping(file, .read)
        let start = unsafe String(UInt(bitPattern: mapping.address), radix: 16)
        let maps = try OwnedDescriptor.open("/proc/self/smaps", O_RDONLY)
        let bytes = try DescriptorIO.readFully(upTo: 16 << 20, from: maps.number)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let first = try #require(lines.firstIndex { $0.contains("\(start)-") })
        let flags = try #require(lines[first...].first { $0.hasPrefix("VmFlags:") })
        #expect(flags.split(separator: " ").contains("dd"), "\(flags)")
    }
}
