import Glibc
import GuestMemory
import LinuxSystem
public import MigrationModel
public import PageCodec

/// What came of hashing all of guest RAM anew.
///
/// The hashes themselves are in the image's table, in place of those of what was sent or placed. A
/// page of zeros has none, whether it was ever sent or not, so that two tables are equal if and
/// only if the two memories are.
public struct FreshHashes: Hashable, Sendable {
    /// The digest over the new table.
    public internal(set) var digest = ImageDigest()
    /// How many pages do not hold what was last sent or placed.
    public internal(set) var changed: UInt64 = 0

    /// The most threads that hash: beyond that, memory is the limit and not the processors.
    private static let threadLimit = 8
    /// How many pages a thread hashes before it leaves as many to the others: 16 MiB of guest RAM.
    private static let stripe = 4096

    /// Hashes all pages in stripes, each thread its share of them.
    ///
    /// - Parameters:
    ///   - pageCount: how many pages there are.
    ///   - threads: how many threads; `nil` for one per processor, as far as that pays.
    ///   - hash: hashes some pages anew; runs on several threads at once, on different pages.
    static func inStripes(
        of pageCount: Int, threads: Int? = nil,
        _ hash: @escaping @Sendable (Range<Int>) -> FreshHashes
    ) throws(LivemigError) -> FreshHashes {
        let processors = Int(sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        let threads = max(1, threads ?? min(processors, threadLimit))
        let workers = (0..<threads).map { number in
            WorkerThread("hash \(number)") { () -> FreshHashes in
                var share = FreshHashes()
                for first in stride(from: number * stripe, to: pageCount, by: threads * stripe) {
                    share += hash(first..<min(first + stripe, pageCount))
                }
                return share
            }
        }
        var all = FreshHashes()
        for worker in workers {
            do {
                all += try worker.join()
            } catch {
                throw LivemigError(.internal, "\(error)")
            }
        }
        return all
    }

    static func += (left: inout FreshHashes, right: FreshHashes) {
        left.digest += right.digest
        left.changed += right.changed
    }
}

extension SourceImage {
    /// Hashes all of guest RAM anew, which nobody writes meanwhile.
    /// - Throws: `E-IO` when the memory file cannot be searched, `E-POISON` when pages cannot be
    ///   read.
    public func hashAnew() throws(LivemigError) -> FreshHashes {
        let populated = try file.populatedPages()
        let fresh = try FreshHashes.inStripes(of: table.pageCount) { pages in
            unsafe hashStripe(
                pages, populated, self.bytes.baseAddress, self.table, self.key)
        }
        // A page that cannot be read is hashed as one of zeros.
        try requireIntact()
        return fresh
    }

    /// How long hashing anew would take, by a sample; the guest may run, and nothing is kept.
    ///
    /// The best of some samples, since whatever else runs can only lengthen one.
    /// - Throws: `E-IO` when the memory file cannot be searched.
    public func predictedHashing() throws(LivemigError) -> Duration {
        let populated = try file.populatedPages()
        var sample: [UInt64] = []
        var position = 0
        populated.appendMembers(from: &position, limit: Self.sampleLimit, to: &sample)
        guard !sample.isEmpty else { return .zero }
        let pages = sample
        var best = Duration.seconds(3600)
        for _ in 0..<3 {
            let start = MonotonicTime.now
            _ = try FreshHashes.inStripes(of: pages.count) { range in
                unsafe hashSample(pages[range], self.bytes.baseAddress, self.key)
            }
            best = min(best, start.elapsed)
        }
        return best * (Double(populated.count) / Double(pages.count))
    }

    /// Enough for every thread to have some: 256 MiB of guest RAM.
    private static var sampleLimit: Int { 65_536 }

    /// The hashes of some pages.
    public func hashes(of pages: Range<UInt64>) -> [UInt64] { table.hashes(of: pages) }

    /// The number of pages of guest RAM.
    public var pageCount: Int { table.pageCount }
}

extension DestinationImage {
    /// Hashes all of guest RAM anew, which nobody writes meanwhile.
    /// - Throws: `E-IO` when the memory file cannot be searched, `E-POISON` when pages cannot be
    ///   read.
    public func hashAnew() throws(LivemigError) -> FreshHashes {
        let populated = try file.populatedPages()
        let fresh = try FreshHashes.inStripes(of: table.pageCount) { pages in
            let start = unsafe self.bytes.baseAddress.map { UnsafeRawPointer($0) }
            return unsafe hashStripe(pages, populated, start, self.table, self.key)
        }
        try requireIntact()
        return fresh
    }

    /// The digest over what was placed, pages of zeros left out; no memory is read.
    public func digestOfPlacedContent() -> ImageDigest { table.forgetZeroPages(key) }

    /// Compares a piece of the source's hashes with those of this image.
    /// - Throws: `E-WIRE-RANGE` for a piece that does not fit.
    public func compare(
        _ hashes: [UInt64], from first: UInt64, in comparison: inout PageComparison
    ) throws(LivemigError) {
        do throws(BatchError) {
            try comparison.take(hashes, from: first, against: table)
        } catch {
            throw error.livemigError
        }
    }

    /// Ends a comparison: the source has no more hashes.
    public func finish(_ comparison: inout PageComparison) { comparison.finish(against: table) }
}

extension GuestMemoryFile {
    borrowing fileprivate func populatedPages() throws(LivemigError) -> PageBitmap {
        var pages = PageBitmap(pageCount: pageCount)
        try addPopulatedPages(to: &pages)
        return pages
    }
}

/// Hashes some pages and keeps no more than their sum.
private func hashSample(
    _ pages: ArraySlice<UInt64>, _ start: UnsafeRawPointer?, _ key: PageHashKey
) -> FreshHashes {
    var result = FreshHashes()
    guard let start = unsafe start else { return result }
    for page in pages {
        let content = unsafe start + Int(page) * PageGeometry.pageSize
        let hash = unsafe key.hash(at: content, page: page)
        result.digest.replace(page: page, old: PageHashKey.neverSent, new: hash)
    }
    return result
}

/// Hashes some pages and puts the hashes into the table; what is not populated is not read, since
/// reading it would allocate it.
private func hashStripe(
    _ pages: Range<Int>, _ populated: PageBitmap, _ start: UnsafeRawPointer?,
    _ table: borrowing PageHashTable, _ key: PageHashKey
) -> FreshHashes {
    var result = FreshHashes()
    guard let start = unsafe start else { return result }
    for index in pages {
        let page = UInt64(index)
        let zero = key.zeroPage(page)
        var new = PageHashKey.neverSent
        if populated.contains(index) {
            let hash = unsafe key.hash(at: start + index * PageGeometry.pageSize, page: page)
            if hash != zero { new = hash }
        }
        let last = table[page]
        if new != (last == zero ? PageHashKey.neverSent : last) { result.changed += 1 }
        table[page] = new
        result.digest.replace(page: page, old: PageHashKey.neverSent, new: new)
    }
    return result
}
