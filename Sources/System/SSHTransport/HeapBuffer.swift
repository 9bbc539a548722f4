import Glibc

/// Bytes of fixed number on the heap, for C calls that fill them.
@safe
struct HeapBuffer: ~Copyable {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        unsafe bytes = .allocate(byteCount: count, alignment: 16)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe bytes.deallocate() }

    /// A copy of the first bytes.
    func prefix(_ count: Int) -> [UInt8] { unsafe Array(bytes.prefix(count)) }

    /// Overwrites the bytes in a way that the compiler cannot leave out.
    func wipe() {
        guard let start = unsafe bytes.baseAddress else { return }
        unsafe explicit_bzero(start, bytes.count)
    }
}
