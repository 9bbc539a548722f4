/// Owns page-aligned memory that lives as long as an encoder or a decoder.
@safe
struct PageBuffer: ~Copyable, @unchecked Sendable {
    // @unchecked Sendable is protected by: the owner is unique, and reaches the bytes only through
    // its own mutating functions.
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    init(pages: Int) {
        byteCount = pages * PageGeometry.pageSize
        unsafe start = .allocate(byteCount: byteCount, alignment: PageGeometry.pageSize)
        unsafe start.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    }

    deinit { unsafe start.deallocate() }
}
