/// What a host does with huge pages, as far as guests feel it.
///
/// Guests' RAM is a memory file of 4 KiB pages (memfd_create(2)).
public struct HugePages: Hashable, Sendable {
    /// Memory that is set aside for huge pages (`Hugetlb` in proc(5)): guests never get it.
    public var pool: ByteCount
    /// How much of that nobody uses.
    public var free: ByteCount
    /// When the kernel puts shared memory into huge pages of its own accord.
    public var sharing: Sharing

    /// The settings of `/sys/kernel/mm/transparent_hugepage/shmem_enabled`
    /// (Documentation/admin-guide/mm/transhuge.rst).
    public enum Sharing: String, Hashable, Sendable, CaseIterable {
        /// The kernel does not say.
        case unknown = ""
        /// Always.
        case always
        /// As far as a file reaches, which for guest RAM is always.
        case withinSize = "within_size"
        /// Where a program asks for it, as QEMU does for guest RAM.
        case advise
        /// Not for memory files.
        case never
        /// Nowhere at all.
        case deny
        /// Everywhere, for tests of the kernel.
        case force
    }

    /// States what a host does.
    public init(
        pool: ByteCount = ByteCount(0), free: ByteCount = ByteCount(0),
        sharing: Sharing = .unknown
    ) {
        self.pool = pool
        self.free = free
        self.sharing = sharing
    }
}

extension HugePages.Sharing {
    /// Reads the kernel's settings, the chosen word in brackets.
    ///
    /// - Parameters:
    ///   - all: the setting for all sizes, such as `always advise [never]`.
    ///   - size: the setting of the size itself, from Linux 6.11; `deny` and `force` go before it.
    public init(settings all: String, ofSize size: String) {
        let common = Self(rawValue: Self.chosen(all)) ?? .unknown
        let own = Self.chosen(size)
        if common == .deny || common == .force || own.isEmpty || own == "inherit" {
            self = common
        } else {
            self = Self(rawValue: own) ?? .unknown
        }
    }

    private static func chosen(_ text: String) -> String {
        String(text.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" })
    }
}

extension HugePages {
    /// Such as `, 8.0 GiB of 64 GiB is set aside for huge pages, which guests do not use`; empty
    /// when nothing is set aside.
    public func clause(of total: ByteCount) -> String {
        pool.bytes == 0
            ? "" : ", \(pool) of \(total) is set aside for huge pages, which guests do not use"
    }

    /// What to do for more memory, to follow other advice; empty when nothing is set aside.
    public var advice: String { pool.bytes == 0 ? "" : ", or lower vm.nr_hugepages there" }

    /// Whether guest RAM of a kind is put into huge pages, where the kernel finds some.
    ///
    /// Writes are found for a whole huge page of 2 MiB then (Linux 6.18, measured): the kernel
    /// protects it as one, and maps it as one again for the write.
    public func hold(_ kind: VMDefinition.Kind) -> Bool {
        switch sharing {
        case .always, .withinSize, .force: true
        case .advise: kind != .synthetic
        case .unknown, .never, .deny: false
        }
    }
}
