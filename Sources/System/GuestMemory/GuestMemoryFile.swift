import CLinux
import Glibc
public import LinuxSystem
public import MigrationModel

/// Guest RAM as a sealed memory file, shared by the hypervisor and the agent.
///
/// Sealed against shrinking and growing (fcntl(2), `F_SEAL_SHRINK`), so that no holder can turn a
/// reader's access into a bus error.
public struct GuestMemoryFile: ~Copyable, Sendable {
    /// The memory file.
    public let descriptor: OwnedDescriptor
    /// The size of guest RAM.
    public let size: ByteCount

    /// The largest guest RAM that is accepted.
    public static let sizeLimit = ByteCount(16 << 40)

    /// Creates the RAM of a guest, all zeros, without a page of it allocated yet.
    ///
    /// - Parameter size: a multiple of 4 KiB up to `sizeLimit`.
    /// - Throws: `E-NOMEM` for other sizes, `E-RESOURCE` when the system refuses.
    public static func create(size: ByteCount) throws(LivemigError) -> GuestMemoryFile {
        guard size.bytes > 0, size.bytes % pageSize == 0, size <= sizeLimit else {
            throw LivemigError(
                .memory, "guest RAM of \(size.bytes) bytes is not a multiple of 4 KiB up to 16 TiB")
        }
        let number = try SystemCall.checkNegated("memfd_create", as: .resource) {
            unsafe clinux_memory_create("livemig-guest-ram", size.bytes)
        }
        return GuestMemoryFile(descriptor: OwnedDescriptor(owning: number), size: size)
    }

    /// Takes over a memory file that came from another process.
    ///
    /// The seals are what makes reading a mapping of it safe: whoever holds the file could shrink
    /// it otherwise.
    ///
    /// - Parameters:
    ///   - descriptor: the file.
    ///   - expected: the size that guest RAM must have; `nil` takes what it has.
    /// - Throws: `E-PERMISSION` unless it is sealed and of that size, or of one that can be guest
    ///   RAM.
    public init(
        adopting descriptor: consuming OwnedDescriptor, expecting expected: ByteCount? = nil
    ) throws(LivemigError) {
        let number = descriptor.number
        guard clinux_memory_is_sealed(number) == 1 else {
            throw LivemigError(.permission, "guest RAM is not a sealed memory file")
        }
        var status = stat()
        try SystemCall.check("fstat") { unsafe fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG, let bytes = UInt64(exactly: status.st_size),
            bytes > 0, bytes % Self.pageSize == 0, bytes <= Self.sizeLimit.bytes,
            expected == nil || expected == ByteCount(bytes)
        else {
            let wanted = expected.map { ", \($0.bytes) are expected" } ?? ""
            throw LivemigError(
                .permission, "guest RAM of \(status.st_size) bytes is not acceptable\(wanted)")
        }
        self.init(descriptor: descriptor, size: ByteCount(bytes))
    }

    /// Lets a user open the memory by a name of it, such as `/proc/self/fd/3`, and nobody else but
    /// root; whoever has it open keeps it.
    /// - Throws: `E-PERMISSION` where this process may not give files away.
    public borrowing func give(to user: UInt32) throws(LivemigError) {
        let number = descriptor.number
        try SystemCall.check("fchown", at: "guest RAM", as: .permission) {
            fchown(number, user, .max)
        }
    }

    /// Another descriptor of the same memory.
    public borrowing func duplicate() throws(LivemigError) -> GuestMemoryFile {
        GuestMemoryFile(descriptor: try descriptor.duplicate(), size: size)
    }

    init(descriptor: consuming OwnedDescriptor, size: ByteCount) {
        self.descriptor = descriptor
        self.size = size
    }

    /// The size of a page in bytes; the unit of every page number.
    public static let pageSize: UInt64 = 4096

    /// The number of pages.
    public var pageCount: Int { Int(size.bytes / Self.pageSize) }

    /// How much of it is allocated.
    public var populated: ByteCount {
        get throws(LivemigError) {
            var status = stat()
            let number = descriptor.number
            try SystemCall.check("fstat") { unsafe fstat(number, &status) }
            // In units of 512 bytes, whatever the file system's are (stat(2)).
            return ByteCount(UInt64(max(0, status.st_blocks)) * 512)
        }
    }

    /// Adds every page that is allocated, and leaves out holes, which read as zeros.
    public borrowing func addPopulatedPages(to pages: inout PageBitmap) throws(LivemigError) {
        let (number, page) = (descriptor.number, Int(Self.pageSize))
        var offset = 0
        while let extent = try DataExtents.next(in: number, from: offset) {
            pages.insert(extent.lowerBound / page..<(extent.upperBound + page - 1) / page)
            offset = extent.upperBound
        }
    }

    /// Fills pages from a page on; `false` when the host has no memory left for them.
    ///
    /// A page that is new is allocated without being zeroed first, and without a page fault: half
    /// the cost of storing to a mapping.
    public borrowing func write(_ content: UnsafeRawBufferPointer, toPage page: UInt64) -> Bool {
        var done = 0
        while done < content.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: content[done...])
            let offset = off_t(page * Self.pageSize) + off_t(done)
            let count = unsafe pwrite(descriptor.number, rest.baseAddress, rest.count, offset)
            if count <= 0, errno != EINTR { return false }
            done += max(0, count)
        }
        return true
    }

    /// Frees pages, which then read as zeros.
    public borrowing func discard(pages: Range<Int>) throws(LivemigError) {
        let number = descriptor.number
        try SystemCall.checkNegated("fallocate(FALLOC_FL_PUNCH_HOLE)") {
            clinux_memory_punch(
                number, UInt64(pages.lowerBound) * Self.pageSize,
                UInt64(pages.count) * Self.pageSize)
        }
    }
}
