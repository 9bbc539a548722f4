internal import Glibc
public import MigrationModel

/// The hash of every page as last sent (on the source) or placed (on the destination): 64 bits per
/// guest page, `PageHashKey.neverSent` for a page that was not.
///
/// The words live in anonymous private memory, which the kernel fills with zeros on first touch: a
/// table for 1 TiB of guest RAM costs nothing for the pages that are never sent (mmap(2)).
///
/// One table is shared by all lanes of a migration. Within a round each page belongs to exactly
/// one lane, and rounds are separated by a barrier, so no two threads access the same word without
/// an ordering between them and plain loads and stores of distinct words do not race.
@safe
public struct PageHashTable: ~Copyable, @unchecked Sendable {
    // @unchecked Sendable is protected by: one lane per page within a round, a barrier between
    // rounds; the address and the count never change.
    private let words: UnsafeMutablePointer<UInt64>
    /// The number of pages of guest RAM.
    public let pageCount: Int

    /// A table in which no page was sent yet.
    /// - Parameter pageCount: 1 to `PageGeometry.maximumPages`.
    /// - Throws: `E-RANGE` for another count, `E-RESOURCE` when the kernel refuses the memory.
    public init(pageCount: Int) throws(LivemigError) {
        guard (1...PageGeometry.maximumPages).contains(pageCount) else {
            throw LivemigError(
                .range, "guest memory of \(pageCount) pages",
                fix: "use 1 to \(PageGeometry.maximumPages) pages of 4 KiB")
        }
        let bytes = pageCount * MemoryLayout<UInt64>.stride
        let mapping = unsafe mmap(
            nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw LivemigError(
                .resource, "no memory for \(bytes) bytes of page hashes (errno \(errno))",
                fix: "free memory or raise the address-space limit")
        }
        unsafe words = mapping.bindMemory(to: UInt64.self, capacity: pageCount)
        self.pageCount = pageCount
    }

    deinit {
        // The mapping was made with this very length, for which munmap does not fail.
        _ = unsafe munmap(words, pageCount * MemoryLayout<UInt64>.stride)
    }

    /// The hash of one page.
    ///
    /// The page must be below `pageCount`; anything else stops the program.
    @inline(__always)
    public subscript(page: UInt64) -> UInt64 {
        get {
            precondition(page < UInt64(pageCount), "page outside the table")
            return unsafe words[Int(page)]
        }
        nonmutating set {
            precondition(page < UInt64(pageCount), "page outside the table")
            unsafe words[Int(page)] = newValue
        }
    }

    /// The hashes of some pages, in order.
    /// - Parameter pages: within the table; anything else stops the program.
    public func hashes(of pages: Range<UInt64>) -> [UInt64] { pages.map { self[$0] } }

    /// Takes pages of zeros for pages that were never sent: both read as zeros.
    ///
    /// What is left depends on the content of memory alone, and not on how it came there.
    /// - Returns: the digest of what is left.
    public func forgetZeroPages(_ key: PageHashKey) -> ImageDigest {
        var digest = ImageDigest()
        for page in 0..<UInt64(pageCount) {
            let hash = self[page]
            guard hash != PageHashKey.neverSent else { continue }
            if hash == key.zeroPage(page) {
                self[page] = PageHashKey.neverSent
            } else {
                digest.replace(page: page, old: PageHashKey.neverSent, new: hash)
            }
        }
        return digest
    }
}
