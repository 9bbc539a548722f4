public import GuestMemory
public import MigrationModel
public import PageCodec

/// Guest RAM and the hashes of what was sent of it, shared by the lanes of the source.
public final class SourceImage: Sendable {
    let mapping: GuestMapping
    let table: PageHashTable
    let key: PageHashKey

    /// Maps guest RAM for reading.
    public init(_ memory: borrowing GuestMemoryFile, key: PageHashKey) throws(LivemigError) {
        mapping = try GuestMapping(memory, .read)
        table = try PageHashTable(pageCount: memory.pageCount)
        self.key = key
    }

    /// Guest RAM from page 0 on, while the guest writes it.
    @unsafe var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: mapping.address, count: mapping.byteCount)
    }
}

/// Guest RAM and the hashes of what was placed in it, shared by the lanes of the destination.
public final class DestinationImage: Sendable {
    let mapping: GuestMapping
    let table: PageHashTable
    let key: PageHashKey

    /// Maps guest RAM for writing; it must be all zeros.
    public init(_ memory: borrowing GuestMemoryFile, key: PageHashKey) throws(LivemigError) {
        mapping = try GuestMapping(memory, .write)
        table = try PageHashTable(pageCount: memory.pageCount)
        self.key = key
    }

    /// Guest RAM from page 0 on.
    @unsafe var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: mapping.address, count: mapping.byteCount)
    }
}
