public import GuestMemory
import LinuxSystem
public import MigrationModel
public import PageCodec

/// Guest RAM and the hashes of what was sent of it, shared by the lanes of the source.
public final class SourceImage: Sendable {
    private let mapping: GuestMapping
    let file: GuestMemoryFile
    let table: PageHashTable
    let key: PageHashKey

    /// Maps guest RAM for reading.
    public init(_ memory: borrowing GuestMemoryFile, key: PageHashKey) throws(LivemigError) {
        mapping = try GuestMapping(memory, .read, survivesFaults: true)
        file = try memory.duplicate()
        table = try PageHashTable(pageCount: memory.pageCount)
        self.key = key
    }

    /// Insists that what was read until now was guest RAM.
    /// - Throws: `E-POISON` for memory that cannot be read.
    func requireIntact() throws(LivemigError) { try mapping.requireIntact() }

    /// Guest RAM from page 0 on, while the guest writes it.
    @unsafe var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: mapping.address, count: mapping.byteCount)
    }
}

/// Guest RAM and the hashes of what was placed in it, shared by the lanes of the destination.
public final class DestinationImage: Sendable {
    private let mapping: GuestMapping
    let file: GuestMemoryFile
    let table: PageHashTable
    let key: PageHashKey

    /// Maps guest RAM for writing; it must be all zeros.
    public init(_ memory: borrowing GuestMemoryFile, key: PageHashKey) throws(LivemigError) {
        mapping = try GuestMapping(memory, .write, survivesFaults: true)
        file = try memory.duplicate()
        table = try PageHashTable(pageCount: memory.pageCount)
        self.key = key
    }

    /// Insists that what was placed until now is in guest RAM.
    /// - Throws: `E-POISON` for memory that cannot be written.
    func requireIntact() throws(LivemigError) { try mapping.requireIntact() }

    /// Fills pages from a page on.
    @unsafe func write(_ content: UnsafeRawBufferPointer, _ page: UInt64) throws(BatchError) {
        guard unsafe file.write(content, toPage: page) else { throw .noMemory }
    }

    /// Guest RAM from page 0 on.
    @unsafe var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: mapping.address, count: mapping.byteCount)
    }
}
