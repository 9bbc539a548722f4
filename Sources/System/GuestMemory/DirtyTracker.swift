import CLinux
import Glibc
public import LinuxSystem
public import MigrationModel

/// Finds the pages that were written since the last look, without stopping the guest.
///
/// The kernel write-protects guest RAM in the hypervisor's page tables and resolves the faults
/// itself (`UFFD_FEATURE_WP_ASYNC`); one `PAGEMAP_SCAN` reports the written pages and protects them
/// again, atomically for each page. Writes by vCPUs, by device threads and by the kernel on the
/// hypervisor's behalf are all seen; DMA by hardware into pinned pages is not.
/// Source: Documentation/admin-guide/mm/pagemap.rst, "Pagemap Scan IOCTL". Used by one thread.
public struct DirtyTracker: ~Copyable, Sendable {
    /// Keeps the protection in force; the kernel drops it with the last copy of the descriptor.
    private let userfault: OwnedDescriptor
    private let pagemap: OwnedDescriptor
    private let address: UInt64
    private let pageCount: Int
    private var runs: [clinux_page_run]

    /// How many runs one system call reports at most.
    private static let runsPerScan = 4096

    /// Takes over a registration that the hypervisor's process made.
    ///
    /// - Parameters:
    ///   - registration: what the preload library answered.
    ///   - pageCount: the number of pages of guest RAM; must match the registration.
    /// - Throws: `E-PRELOAD` when the range is not guest RAM, `E-PERMISSION` when the hypervisor's
    ///   page tables may not be read.
    public init(
        _ registration: consuming TrackingRegistration, pageCount: Int
    ) throws(LivemigError) {
        guard registration.length == UInt64(pageCount) * GuestMemoryFile.pageSize else {
            throw LivemigError(
                .preload, "the hypervisor maps \(registration.length) bytes of guest RAM",
                at: "expected \(pageCount) pages")
        }
        guard registration.address % GuestMemoryFile.pageSize == 0,
            !registration.address.addingReportingOverflow(registration.length).overflow
        else {
            throw LivemigError(
                .preload, "guest RAM cannot be mapped at \(registration.address.hexadecimal)")
        }
        let tables = try OwnedDescriptor.open(
            "/proc/\(registration.process)/pagemap", O_RDONLY, as: .permission)
        // Asked after opening: the page tables are those of the process that was meant.
        guard registration.identity?.condition != .ended else { throw Self.memoryIsGone }
        pagemap = tables
        address = registration.address
        self.pageCount = pageCount
        userfault = registration.userfault
        runs = Array(repeating: clinux_page_run(), count: Self.runsPerScan)
    }

    /// Adds the pages written since the last harvest and protects them again.
    /// - Throws: `E-GUESTDOWN` when the hypervisor has ended, `E-IO` when the kernel refuses the scan.
    public mutating func harvest(into pages: inout PageBitmap) throws(LivemigError) {
        precondition(pages.pageCount == pageCount, "bitmap of another guest")
        let end = address + UInt64(pageCount) * GuestMemoryFile.pageSize
        var position = address
        while position < end {
            let pagemap = pagemap.number
            let found = unsafe clinux_tracking_harvest(
                pagemap, &position, end, &runs, UInt64(runs.count))
            if found == -ESRCH { throw Self.memoryIsGone }
            _ = try SystemCall.checkNegated("ioctl(PAGEMAP_SCAN)") { found }
            for run in runs.prefix(Int(found)) {
                let first = Int((run.start - address) / GuestMemoryFile.pageSize)
                let last = Int((run.end - address) / GuestMemoryFile.pageSize)
                pages.insert(first..<last)
            }
        }
        try requireLiveMemory()
    }

    /// Insists that the scan saw the hypervisor's memory.
    ///
    /// In the memory of a process that has ended, `PAGEMAP_SCAN` answers `ESRCH` on Linux 6.18, but
    /// `do_pagemap_scan` of 6.7 walks the empty address space and finds nothing. A read of the same
    /// file then gives no bytes (`pagemap_read`, fs/proc/task_mmu.c). Asked after the scan, because
    /// memory that is gone never comes back.
    private borrowing func requireLiveMemory() throws(LivemigError) {
        let pagemap = pagemap.number
        let offset = off_t(address / GuestMemoryFile.pageSize * 8)
        var entry: UInt64 = 0
        let count = try SystemCall.check("read", at: "pagemap") {
            unsafe pread(pagemap, &entry, 8, offset)
        }
        guard count == 8 else { throw Self.memoryIsGone }
    }

    private static var memoryIsGone: LivemigError {
        LivemigError(.guestDown, "the hypervisor has ended: its memory cannot be tracked")
    }
}

/// What the preload library hands out: a userfaultfd over guest RAM, and where that is mapped.
public struct TrackingRegistration: ~Copyable, Sendable {
    /// The registration; tracking ends when its last copy is closed.
    public let userfault: OwnedDescriptor
    /// The hypervisor's process.
    public let process: Int32
    /// Where guest RAM starts in that process.
    public let address: UInt64
    /// How many bytes are mapped.
    public let length: UInt64
    /// The process beyond its number, where that is known.
    let identity: ProcessIdentity?

    /// States a registration.
    public init(
        userfault: consuming OwnedDescriptor, process: Int32, address: UInt64, length: UInt64,
        identity: ProcessIdentity? = nil
    ) {
        self.identity = identity
        self.userfault = userfault
        self.process = process
        self.address = address
        self.length = length
    }
}
