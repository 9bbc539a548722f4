public import MigrationModel

/// What numbers of a host mean for moves: the rules of its examination.
public enum HostRules {
    // MARK: QEMU

    /// A defect of some releases of QEMU that whoever operates guests should know of.
    struct Defect {
        let affected: ClosedRange<Release>
        let what: String
        let fix: String
    }

    /// A release such as 7.2.22.
    public struct Release: Hashable, Comparable, Sendable, CustomStringConvertible {
        /// The numbers: major, minor, micro.
        public let numbers: [Int]

        /// States a release.
        public init(_ numbers: Int...) { self.numbers = Self.whole(numbers) }

        /// The first numbers with points between them in a text; `nil` where there are none.
        public init?(in text: String) {
            let digits = text.drop { !("0"..."9").contains($0) }
                .prefix { ("0"..."9").contains($0) || $0 == "." }
            let numbers = digits.split(separator: ".").prefix(3).compactMap { Int($0) }
            guard numbers.count >= 2 else { return nil }
            self.numbers = Self.whole(numbers)
        }

        private static func whole(_ numbers: [Int]) -> [Int] {
            Array((numbers + [0, 0, 0]).prefix(3))
        }

        /// Older releases order first.
        public static func < (left: Release, right: Release) -> Bool {
            left.numbers.lexicographicallyPrecedes(right.numbers)
        }

        /// Such as `7.2.22`.
        public var description: String { numbers.map(String.init).joined(separator: ".") }
    }

    /// Releases of QEMU with defects that concern moves, by the project's own measurements.
    ///
    /// QEMU 7.2 under TCG loses dirty pages when QEMU moves RAM itself, and guests panic
    /// (decision 0001); livemig moves the RAM itself, so that its moves are not concerned.
    static let defects = [
        Defect(
            affected: Release(7, 2, 0)...Release(7, 2, .max),
            what: "its own migration loses memory of guests without KVM; livemig does not use it",
            fix: "move guests of this host by livemig only, not by virsh migrate; or update QEMU")
    ]

    /// What a release of QEMU is good for.
    public static func qemu(_ release: Release, at program: String) -> Diagnosis {
        let name = "QEMU \(release), \(program)"
        guard let defect = defects.first(where: { $0.affected.contains(release) }) else {
            return Diagnosis("qemu", .ok, name)
        }
        return Diagnosis("qemu", .warning, "\(name): \(defect.what)", fix: defect.fix)
    }

    /// What keeps a guest that breaks out of its QEMU from the host and from other guests.
    /// - Parameters:
    ///   - policy: the host's.
    ///   - hasSandbox: whether its QEMU has a system call filter.
    ///   - isRoot: whether the agent is root, as whom QEMU runs unless the policy says otherwise.
    public static func confinement(
        _ policy: HostPolicy, hasSandbox: Bool, isRoot: Bool
    ) -> Diagnosis {
        guard hasSandbox || !policy.requiresSandbox else {
            return Diagnosis(
                "confinement", .error,
                "QEMU has no system call filter: no guest starts here or comes here",
                fix: "install a QEMU built with seccomp")
        }
        var weak: [(what: String, fix: String)] = []
        if isRoot, policy.hypervisorUser == nil, policy.hypervisorUsers == nil {
            weak.append(
                (
                    "QEMU runs as root: a guest that breaks out of it has the host",
                    "livemig host settings --hypervisor-users 200000-265535"
                ))
        }
        if !hasSandbox {
            weak.append(("QEMU has no system call filter", "install a QEMU built with seccomp"))
        }
        if policy.userNetworking == .open {
            weak.append(
                (
                    "interfaces of type user reach the host's loopback services",
                    "livemig host settings --user-network restricted, and bridges for guests"
                ))
        }
        guard weak.isEmpty else {
            return Diagnosis(
                "confinement", .warning, weak.map(\.what).joined(separator: "; "),
                fix: weak.map(\.fix).joined(separator: "; "))
        }
        let user = policy.hypervisorUsers.map { "a user for each VM, of \($0)" }
        return Diagnosis(
            "confinement", .ok,
            "QEMU has a system call filter, and runs as "
                + (user ?? policy.hypervisorUser ?? "the agent's user"))
    }

    // MARK: libssh

    /// The first releases with the fixes of CVE-2026-59843 and CVE-2026-59850, in each line
    /// (libssh.org, security advisories of July 2026).
    static let fixedSSH = [Release(0, 11, 5), Release(0, 12, 2)]
    /// Packages of distributions with the same fixes in an older release.
    static let fixedPackages = [(prefix: "0.10.6-0+deb12u", number: 3)]

    /// What a release of libssh is good for.
    /// - Parameters:
    ///   - release: as the library says.
    ///   - package: the distribution's version of it; empty where it is not known.
    public static func libssh(_ release: String, package: String) -> Diagnosis {
        let name = package.isEmpty ? "libssh \(release)" : "libssh \(release), package \(package)"
        guard !isFixed(release, package) else { return Diagnosis("libssh", .ok, name) }
        return Diagnosis(
            "libssh", .warning,
            "\(name): CVE-2026-59843 and CVE-2026-59850 are open unless the package has them fixed",
            fix: "install the distribution's security updates")
    }

    private static func isFixed(_ release: String, _ package: String) -> Bool {
        for (prefix, number) in fixedPackages where package.hasPrefix(prefix) {
            let found = package.dropFirst(prefix.count).prefix { ("0"..."9").contains($0) }
            if let found = Int(found), found >= number { return true }
        }
        guard let release = Release(in: release), let newest = fixedSSH.max() else { return false }
        let line = release.numbers.prefix(2)
        return release >= newest
            || fixedSSH.contains { $0.numbers.prefix(2) == line && release >= $0 }
    }

    // MARK: Room

    /// Less than this share of the memory free for guests is worth a warning.
    static let tightShare: UInt64 = 20

    /// Whether a guest could come.
    /// - Parameters:
    ///   - total: all memory.
    ///   - available: what guests can still get.
    ///   - reserve: what the host keeps to itself.
    ///   - promised: what guests on their way here will need.
    public static func memory(
        total: ByteCount, available: ByteCount, reserve: ByteCount, promised: ByteCount
    ) -> Diagnosis {
        let (kept, isBeyond) = reserve.bytes.addingReportingOverflow(promised.bytes)
        let room = isBeyond || kept >= available.bytes ? 0 : available.bytes - kept
        let coming = promised.bytes == 0 ? "" : ", \(promised) promised"
        let what =
            "\(ByteCount(room)) for guests from elsewhere: \(available) available of \(total), "
            + "reserve \(reserve)\(coming)"
        let fix = "free memory, or lower it: livemig host settings --memory-reserve"
        if room == 0 { return Diagnosis("memory", .error, what, fix: fix) }
        let isTight = room < total.bytes / tightShare
        return Diagnosis("memory", isTight ? .warning : .ok, what, fix: isTight ? fix : "")
    }

    /// Whether huge pages keep memory from guests, or make moves of them longer.
    /// - Parameters:
    ///   - pages: what the host does with them.
    ///   - total: all memory.
    public static func hugePages(_ pages: HugePages, total: ByteCount) -> Diagnosis {
        var (found, fixes): ([String], [String]) = ([], [])
        if pages.pool.bytes > 0 {
            found.append(
                "\(pages.pool) of \(total) is set aside for them, \(pages.free) of it unused, and "
                    + "guests do not use it")
            fixes.append("lower vm.nr_hugepages, unless other programs need it")
        }
        if pages.hold(.qemu) {
            let who = pages.hold(.synthetic) ? "guests" : "guests in QEMU"
            found.append(
                "memory of \(who) may be in them (shmem_enabled \(pages.sharing.rawValue)): each page "
                    + "that a guest writes has 2 MiB looked at when it is moved")
            fixes.append(
                "where moves take too long, write never to "
                    + "/sys/kernel/mm/transparent_hugepage/shmem_enabled and start guests anew")
        }
        guard !found.isEmpty else {
            return Diagnosis("hugepages", .ok, "no memory is set aside for them or in them")
        }
        return Diagnosis(
            "hugepages", .warning, found.joined(separator: "; "),
            fix: fixes.joined(separator: "; "))
    }

    /// With less than this records cannot be relied on: a definition is at most 1 MiB, a record a
    /// few KiB.
    public static let leastSpace = ByteCount.mebibytes(4)
    /// With less than this logs will fill the disk sooner or later.
    static let littleSpace = ByteCount.mebibytes(256)

    /// Whether records can be written.
    public static func space(_ free: ByteCount, at path: String) -> Diagnosis {
        let what = "\(free) free for records and logs at \(path)"
        guard free < littleSpace else { return Diagnosis("space", .ok, what) }
        return Diagnosis(
            "space", free < leastSpace ? .error : .warning, what,
            fix: "free space on this file system; agent.log and console logs can be truncated")
    }

    /// Whether a host's clock is that of whoever looks.
    /// - Parameter clock: by how much it is ahead.
    public static func clock(_ clock: ClockReading) -> Diagnosis {
        let tolerance = Preflight.clockTolerance
        guard clock.exceeds(tolerance) else {
            // What a slow answer leaves open is not claimed.
            let known = clock.size + clock.uncertainty
            return Diagnosis(
                "clock", .ok, "within \(max(tolerance, known).brief) of this machine's")
        }
        let direction = clock.offset < .zero ? "behind" : "ahead of"
        return Diagnosis(
            "clock", .warning, "\(clock.size.brief) \(direction) this machine's",
            fix: "synchronise the clocks (NTP): a guest that reads its host's clock sees a jump")
    }

    // MARK: The host's own settings

    /// What a host's policy means for moves.
    public static func policy(_ policy: HostPolicy) -> Diagnosis {
        if policy.maintenance.isCordoned {
            return Diagnosis(
                "policy", .warning, "cordoned: no guest can come or be started",
                fix: "livemig resume opens it")
        }
        guard policy.isLiveMigrationEnabled else {
            return Diagnosis(
                "policy", .warning, "live migration is disabled",
                fix: "livemig host settings --enable allows it")
        }
        let peers = policy.peers.isEmpty ? "all peers" : "\(policy.peers.count) peers"
        return Diagnosis(
            "policy", .ok, "live migration enabled, \(policy.liveMoves) each way, \(peers)")
    }
}
