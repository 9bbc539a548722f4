import CLinux
import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// Guest RAM mapped into this process, shared with the hypervisor that runs the guest.
///
/// Threads read and write it at once, as the guest itself does: a reader may see a page half
/// written, which the next harvest reports as dirty. Nothing may keep a pointer past the mapping.
@safe
public struct GuestMapping: ~Copyable, @unchecked Sendable {
    // Sendable: the mapping is shared memory by design; pages are claimed by one lane per round.
    private let base: UnsafeMutableRawPointer
    /// The number of bytes mapped.
    public let byteCount: Int
    /// By which faults in the mapping are asked for; negative when they are not watched.
    private let watch: CInt

    /// Whether the mapping may write.
    public enum Access: Sendable {
        /// Pages are read. Reading a hole allocates its page, as every fault in shared memory does:
        /// leave out what `GuestMemoryFile.addPopulatedPages` leaves out.
        case read
        /// Pages are placed.
        case write
    }

    /// Maps the whole of a guest's RAM.
    ///
    /// - Parameters:
    ///   - file: guest RAM.
    ///   - access: whether pages may be placed.
    ///   - survivesFaults: whether a page that cannot be read, such as one in poisoned memory, reads
    ///     as zeros instead of ending the process; `requireIntact` tells.
    /// - Throws: `E-RESOURCE` when there is no room for the mapping.
    public init(
        _ file: borrowing GuestMemoryFile, _ access: Access, survivesFaults: Bool = false
    ) throws(LivemigError) {
        let number = file.descriptor.number
        let size = Int(file.size.bytes)
        let protection = access == .read ? PROT_READ : PROT_READ | PROT_WRITE
        let address = unsafe mmap(nil, size, protection, MAP_SHARED | MAP_NORESERVE, number, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw SystemCall.failure("mmap", .init(rawValue: errno), as: .resource)
        }
        // Guest memory never goes into a core dump (madvise(2), MADV_DONTDUMP).
        _ = unsafe madvise(address, size, MADV_DONTDUMP)
        unsafe base = address
        byteCount = size
        watch = survivesFaults ? unsafe clinux_faults_watch(address, size) : -1
    }

    deinit {
        clinux_faults_ignore(watch)
        _ = unsafe munmap(base, byteCount)
    }

    /// Insists that every page that was used until now was there to be used.
    /// - Throws: `E-POISON` with the number of the first page that was not.
    public borrowing func requireIntact() throws(LivemigError) {
        let offset = clinux_faults_first(watch)
        guard offset >= 0 else { return }
        throw LivemigError(
            .poison, "page \(offset / Int64(GuestMemoryFile.pageSize)) of guest RAM cannot be used",
            fix: "see the kernel's log for memory failures, or for huge pages that ran out")
    }

    /// The address of the first byte; valid while the mapping lives.
    @unsafe
    public var address: UnsafeMutableRawPointer { unsafe base }

    /// The number of 4 KiB pages.
    public var pageCount: Int { byteCount / Int(GuestMemoryFile.pageSize) }
}
