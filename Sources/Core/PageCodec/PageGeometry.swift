/// The unit of guest memory that is tracked, sent, placed and hashed.
public enum PageGeometry {
    /// Bytes of a page: the smallest page of x86-64 and of arm64 guests, whatever backs the RAM.
    public static let pageSize = 4096
    /// The number of low bits of an address that lie within a page.
    public static let pageShift: UInt64 = 12
    /// The most pages an image may have: 2³² pages are 16 TiB of guest RAM.
    public static let maximumPages = 1 << 32
}

/// Four cache lines' worth of a 64-byte block; the compiler keeps it in vector registers.
typealias Block = SIMD8<UInt64>

/// Whether one page is all zeros.
///
/// Returns at the first non-zero block of 256 bytes, so a data page costs little more than its
/// first cache line. The page may be written by the guest meanwhile: the answer is then that of
/// some mixture of moments, and the next harvest reports the page.
/// - Parameter page: readable for `pageSize` bytes, any alignment.
@inline(__always)
func isZeroPage(_ page: UnsafeRawPointer) -> Bool {
    var offset = 0
    while offset < PageGeometry.pageSize {
        let first = unsafe page.loadUnaligned(fromByteOffset: offset, as: Block.self)
        let second = unsafe page.loadUnaligned(fromByteOffset: offset + 64, as: Block.self)
        let third = unsafe page.loadUnaligned(fromByteOffset: offset + 128, as: Block.self)
        let fourth = unsafe page.loadUnaligned(fromByteOffset: offset + 192, as: Block.self)
        let union = (first | second) | (third | fourth)
        let half = union.lowHalf | union.highHalf
        let quarter = half.lowHalf | half.highHalf
        if quarter[0] | quarter[1] != 0 { return false }
        offset += 256
    }
    return true
}
