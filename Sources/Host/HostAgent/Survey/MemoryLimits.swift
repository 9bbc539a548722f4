import Glibc
import LinuxSystem
import MigrationModel

/// The limits that control groups set on the memory of this process, or of a guest that systemd
/// runs (cgroups(7); Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst).
///
/// A container, a slice or a login session may be allowed far less than the host has.
struct MemoryLimits: Sendable {
    /// What one group allows.
    struct Limit: Hashable, Sendable {
        /// The group's folder.
        let group: String
        /// The most that its processes may have.
        let total: ByteCount
        /// What they can still get; what the kernel can drop of their files counts as free.
        let available: ByteCount
    }

    /// Where the system's files are: empty but for tests.
    var root = ""
    /// The group that guests are put into, such as `/machine.slice`; `nil` for this process's own.
    var slice: String?

    /// The limits of all groups around the guests.
    func all() -> [Limit] {
        groups().flatMap { group in group.folders.compactMap { limit(of: $0, group.isUnified) } }
    }

    /// What guests can have in all and can still get, where groups allow less than the host has.
    func applied(
        to memory: (total: ByteCount, available: ByteCount)
    ) -> (total: ByteCount, available: ByteCount) {
        let limits = all()
        return (
            limits.reduce(memory.total) { min($0, $1.total) },
            limits.reduce(memory.available) { min($0, $1.available) }
        )
    }

    // MARK: Where groups are

    /// A group's folder and those of the groups around it.
    private struct Group {
        let folders: [String]
        let isUnified: Bool
    }

    /// The groups of the two versions, of which one counts memory.
    private func groups() -> [Group] {
        let mounts = read("/proc/self/mountinfo").split(separator: "\n").compactMap(Mount.init)
        return read("/proc/self/cgroup").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("memory") else {
                return nil
            }
            let mount = mounts.first { $0.isUnified == isUnified && ($0.hasMemory || isUnified) }
            return mount.map {
                Group(folders: $0.folders(to: slice ?? String(fields[2])), isUnified: isUnified)
            }
        }
    }

    /// A mounted hierarchy of groups (proc(5), `mountinfo`).
    private struct Mount {
        let path: String
        let top: String
        let isUnified: Bool
        let hasMemory: Bool

        init?(_ line: Substring) {
            let parts = line.split(separator: " ")
            guard let mark = parts.firstIndex(of: "-"), mark >= 5, parts.count > mark + 3,
                parts[mark + 1] == "cgroup" || parts[mark + 1] == "cgroup2"
            else { return nil }
            top = String(parts[3])
            path = String(parts[4])
            isUnified = parts[mark + 1] == "cgroup2"
            hasMemory = parts[mark + 3].split(separator: ",").contains("memory")
        }

        /// The folder of a group and those around it.
        ///
        /// One outside of what is mounted here, as in
        /// a container, has the mount's top for its folder.
        func folders(to group: String) -> [String] {
            let words = group.split(separator: "/")
            let above = top.split(separator: "/")
            let below = words.starts(with: above) ? words.dropFirst(above.count) : []
            guard !below.contains("..") else { return [path] }
            return (0...below.count).map { count in
                path + below.prefix(count).map { "/" + $0 }.joined()
            }
        }
    }

    // MARK: What they say

    private func limit(of folder: String, _ isUnified: Bool) -> Limit? {
        let names =
            isUnified ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"]
        let limits = names.compactMap { number(folder + "/" + $0) }
        // No limit is a word in version 2, and a number beyond all memory in version 1.
        guard let most = limits.min(), most < 1 << 60 else { return nil }
        let used =
            number(folder + (isUnified ? "/memory.current" : "/memory.usage_in_bytes")) ?? 0
        let files =
            isUnified
            ? ["inactive_file", "active_file", "slab_reclaimable"]
            : ["total_inactive_file", "total_active_file"]
        let kept = used - min(used, statistics(of: folder, files))
        return Limit(
            group: folder, total: ByteCount(most), available: ByteCount(most - min(most, kept)))
    }

    private func statistics(of folder: String, _ names: [String]) -> UInt64 {
        var sum: UInt64 = 0
        for line in read(folder + "/memory.stat").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, names.contains(String(words[0])), let value = UInt64(words[1])
            else { continue }
            sum = sum.addingReportingOverflow(value).partialValue
        }
        return sum
    }

    private func number(_ path: String) -> UInt64? {
        UInt64(read(path).prefix { $0 != "\n" })
    }

    private func read(_ path: String) -> String { SmallFile.read(root + path) }
}
