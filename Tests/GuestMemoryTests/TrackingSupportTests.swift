import GuestMemory
import MigrationModel
import Testing

@Suite struct TrackingSupportTests {
    /// Breaks when the probe misses what this kernel has.
    ///
    /// Needs Linux 6.7 or newer, and root or the permission to use userfaultfd.
    @Test func thisHostCanTrack() {
        let support = TrackingSupport.probe()
        #expect(support.isComplete, "tests need Linux 6.7 and userfaultfd; \(support)")
        #expect(support.description == "userfaultfd write-protect (async), PAGEMAP_SCAN")
    }

    struct Lack: Sendable {
        let support: TrackingSupport
        let names: [String]
    }

    static let lacks = [
        Lack(
            support: .init(userfault: false, asynchronousWriteProtect: true, pageScan: true),
            names: ["userfaultfd"]),
        Lack(
            support: .init(userfault: true, asynchronousWriteProtect: false, pageScan: true),
            names: ["UFFD_FEATURE_WP_ASYNC"]),
        Lack(
            support: .init(userfault: true, asynchronousWriteProtect: false, pageScan: false),
            names: ["UFFD_FEATURE_WP_ASYNC", "PAGEMAP_SCAN"]),
    ]

    /// Breaks when the refusal does not name everything that is missing, and only that.
    @Test(arguments: lacks) func namesWhatIsMissing(_ lack: Lack) throws {
        let error = try #require(throws: LivemigError.self) {
            try lack.support.require(kernel: "6.1.0")
        }
        #expect(error.code == .kernel)
        #expect(error.what.hasPrefix("Linux 6.1.0 lacks "))
        #expect(!lack.support.isComplete)
        for name in lack.names {
            #expect(error.what.contains(name))
            #expect(lack.support.description.contains(name))
        }
        let parts = error.what.split(separator: ", ")
        #expect(parts.count == lack.names.count)
    }

    /// Breaks when a user that lacks a permission is told to upgrade the kernel.
    @Test func namesTheMissingPermission() throws {
        let support = TrackingSupport(
            userfault: true, permission: false, asynchronousWriteProtect: true, pageScan: true)
        let error = try #require(throws: LivemigError.self) {
            try support.require(kernel: "6.18.0")
        }
        #expect(error.what == "Linux 6.18.0 does not let the agent's user use userfaultfd")
        #expect(error.fix.contains("/dev/userfaultfd"))
        #expect(support.description == "the kernel does not let the agent's user use userfaultfd")
    }
}
