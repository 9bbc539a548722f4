import LinuxSystem
import MigrationModel

/// Finds out what this host does with huge pages.
enum HugePagesProbe {
    private static let pools = "/sys/kernel/mm/hugepages"
    private static let settings = "/sys/kernel/mm/transparent_hugepage"

    /// Asks the system; what it does not say is nothing.
    static func read() -> HugePages {
        let names = (try? FolderListing.names(in: pools)) ?? []
        return HugePages(
            pool: bytes(names, "nr_hugepages"), free: bytes(names, "free_hugepages"),
            sharing: .init(
                settings: SmallFile.read("\(settings)/shmem_enabled"),
                ofSize: SmallFile.read(
                    "\(settings)/hugepages-\(pageKibibytes)kB/shmem_enabled")))
    }

    /// The sum over all sizes; a folder is called such as `hugepages-2048kB`.
    private static func bytes(_ names: [String], _ count: String) -> ByteCount {
        let sizes = names.map { name -> UInt64 in
            let pages = UInt64(SmallFile.read("\(pools)/\(name)/\(count)").prefix { $0 != "\n" })
            let kibibytes = UInt64(name.drop { !$0.isNumber }.prefix { $0.isNumber })
            return (pages ?? 0).multipliedReportingOverflow(by: (kibibytes ?? 0) << 10)
                .partialValue
        }
        return ByteCount(sizes.reduce(0) { $0.addingReportingOverflow($1).partialValue })
    }

    /// The size of the huge pages that a page table maps as one.
    private static var pageKibibytes: UInt64 {
        let text = SmallFile.read("\(settings)/hpage_pmd_size").prefix { $0 != "\n" }
        return (UInt64(text) ?? 2 << 20) >> 10
    }
}
