import CLinux
public import MigrationModel

/// What the running kernel offers for finding written pages.
public struct TrackingSupport: Hashable, Sendable, CustomStringConvertible {
    /// Whether the kernel has userfaultfd.
    public let userfault: Bool
    /// Whether this process may use it for writes by the kernel as well (userfaultfd(2)).
    public let permission: Bool
    /// Whether write-protection faults are resolved by the kernel, from Linux 6.7.
    public let asynchronousWriteProtect: Bool
    /// Whether `PAGEMAP_SCAN` is there, from Linux 6.7.
    public let pageScan: Bool

    /// What this process found when it first asked.
    public static let ofThisProcess = probe()

    /// Asks the kernel.
    public static func probe() -> TrackingSupport {
        let bits = UInt32(clinux_tracking_probe())
        return TrackingSupport(
            userfault: bits & clinux_tracking_userfaultfd.rawValue != 0,
            permission: bits & clinux_tracking_permission.rawValue != 0,
            asynchronousWriteProtect: bits & clinux_tracking_async_write_protect.rawValue != 0,
            pageScan: bits & clinux_tracking_page_scan.rawValue != 0)
    }

    /// States what a kernel offers.
    public init(
        userfault: Bool, permission: Bool = true, asynchronousWriteProtect: Bool, pageScan: Bool
    ) {
        self.userfault = userfault
        self.permission = permission
        self.asynchronousWriteProtect = asynchronousWriteProtect
        self.pageScan = pageScan
    }

    /// Whether guests of this host can be moved live.
    public var isComplete: Bool {
        userfault && permission && asynchronousWriteProtect && pageScan
    }

    /// Insists on everything that write tracking needs.
    /// - Throws: `E-KERNEL` naming what is missing.
    public func require(kernel release: String) throws(LivemigError) {
        guard !isComplete else { return }
        throw LivemigError(
            .kernel, "Linux \(release) \(reason)",
            fix: isOnlyForbidden
                ? "run the agent as root, or let its user open /dev/userfaultfd"
                : "live moves need Linux 6.7 or newer with userfaultfd; upgrade the kernel of this host"
        )
    }

    private var isOnlyForbidden: Bool {
        userfault && !permission && asynchronousWriteProtect && pageScan
    }

    /// What stands in the way, as what a kernel does.
    private var reason: String {
        isOnlyForbidden
            ? "does not let the agent's user use userfaultfd"
            : "lacks " + missing.joined(separator: ", ")
    }

    private var missing: [String] {
        [
            userfault ? nil : "userfaultfd",
            asynchronousWriteProtect
                ? nil : "asynchronous write-protect tracking (UFFD_FEATURE_WP_ASYNC)",
            pageScan ? nil : "PAGEMAP_SCAN",
        ].compactMap { $0 }
    }

    /// `userfaultfd write-protect (async), PAGEMAP_SCAN`, or why not, such as
    /// `the kernel lacks PAGEMAP_SCAN`.
    public var description: String {
        isComplete ? "userfaultfd write-protect (async), PAGEMAP_SCAN" : "the kernel \(reason)"
    }
}
