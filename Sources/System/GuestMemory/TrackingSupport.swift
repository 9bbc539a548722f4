import CLinux
public import MigrationModel

/// What the running kernel offers for finding written pages.
public struct TrackingSupport: Hashable, Sendable, CustomStringConvertible {
    /// Whether userfaultfd is there and allowed.
    public let userfault: Bool
    /// Whether write-protection faults are resolved by the kernel, from Linux 6.7.
    public let asynchronousWriteProtect: Bool
    /// Whether `PAGEMAP_SCAN` is there, from Linux 6.7.
    public let pageScan: Bool

    /// Asks the kernel.
    public static func probe() -> TrackingSupport {
        let found = clinux_tracking_probe()
        let bits = found < 0 ? 0 : UInt32(found)
        return TrackingSupport(
            userfault: bits & clinux_tracking_userfaultfd.rawValue != 0,
            asynchronousWriteProtect: bits & clinux_tracking_async_write_protect.rawValue != 0,
            pageScan: bits & clinux_tracking_page_scan.rawValue != 0)
    }

    /// States what a kernel offers.
    public init(userfault: Bool, asynchronousWriteProtect: Bool, pageScan: Bool) {
        self.userfault = userfault
        self.asynchronousWriteProtect = asynchronousWriteProtect
        self.pageScan = pageScan
    }

    /// Whether guests of this host can be moved live.
    public var isComplete: Bool { userfault && asynchronousWriteProtect && pageScan }

    /// Insists on everything that write tracking needs.
    /// - Throws: `E-KERNEL` naming what is missing.
    public func require(kernel release: String) throws(LivemigError) {
        guard !isComplete else { return }
        throw LivemigError(
            .kernel, "Linux \(release) lacks \(missing.joined(separator: ", "))",
            fix:
                "live moves need Linux 6.7 or newer with userfaultfd; upgrade the kernel of this host"
        )
    }

    private var missing: [String] {
        [
            userfault ? nil : "userfaultfd (or the permission to use it)",
            asynchronousWriteProtect
                ? nil : "asynchronous write-protect tracking (UFFD_FEATURE_WP_ASYNC)",
            pageScan ? nil : "PAGEMAP_SCAN",
        ].compactMap { $0 }
    }

    /// Such as `userfaultfd write-protect (async), PAGEMAP_SCAN`.
    public var description: String {
        isComplete
            ? "userfaultfd write-protect (async), PAGEMAP_SCAN"
            : "none: missing " + missing.joined(separator: ", ")
    }
}
