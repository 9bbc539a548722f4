import Glibc
public import MigrationModel
import SystemPackage

/// Removes folders whose content somebody else made.
public enum FolderTree {
    /// The most entries that one call removes: a few seconds of work.
    public static let entryLimit = 1_000_000

    /// Removes a folder with all that is in it, however deep; one that is not there is no error.
    ///
    /// Links are removed and never followed, and mounted file systems are not entered. Folders in
    /// folders are moved up first, so that neither depth nor the length of names matters.
    ///
    /// - Parameters:
    ///   - path: the folder; a symbolic link is refused.
    ///   - limit: the most entries.
    /// - Throws: `E-CLEANUP` where something is left.
    public static func remove(
        _ path: String, limit: Int = entryLimit
    ) throws(LivemigError) {
        let top: OwnedDescriptor
        do throws(LivemigError) {
            top = try OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY, as: .cleanup)
        } catch {
            if unsafe access(path, F_OK) != 0, errno == ENOENT { return }
            throw error
        }
        var removal = Removal(top: top.number, path: path, left: limit)
        try removal.run()
        try SystemCall.check("rmdir", at: path, as: .cleanup) { unsafe rmdir(path) }
    }

    /// One removal under way.
    private struct Removal {
        let top: CInt
        let path: String
        var left: Int
        var moved = 0

        mutating func run() throws(LivemigError) {
            while true {
                let names = try FolderListing.names(in: "/proc/self/fd/\(top)")
                if names.isEmpty { return }
                for name in names { try removeEntry(name) }
            }
        }

        private mutating func removeEntry(_ name: String) throws(LivemigError) {
            try count()
            if unsafe unlinkat(top, name, 0) == 0 || errno == ENOENT { return }
            guard errno == EISDIR || errno == EPERM else { throw failure("unlinkat") }
            let number = unsafe openat(
                top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            guard number >= 0 else { throw failure("openat") }
            let folder = OwnedDescriptor(owning: number)
            for inner in try FolderListing.names(in: "/proc/self/fd/\(number)") {
                try moveUp(inner, from: number)
            }
            _ = consume folder
            guard unsafe unlinkat(top, name, AT_REMOVEDIR) == 0 else { throw failure("rmdir") }
        }

        private mutating func moveUp(_ name: String, from folder: CInt) throws(LivemigError) {
            try count()
            if unsafe unlinkat(folder, name, 0) == 0 || errno == ENOENT { return }
            guard errno == EISDIR || errno == EPERM else { throw failure("unlinkat") }
            while true {
                moved += 1
                if unsafe renameat(folder, name, top, ".livemig-\(moved)") == 0 { return }
                // The name is taken; the next one may be free.
                guard [ENOTEMPTY, EEXIST, ENOTDIR, EISDIR].contains(errno) else {
                    throw failure("renameat")
                }
                try count()
            }
        }

        private mutating func count() throws(LivemigError) {
            left -= 1
            guard left >= 0 else {
                throw LivemigError(
                    .cleanup, "the folder has more entries than are removed at once", at: path,
                    fix: "remove it by hand")
            }
        }

        private func failure(_ call: String) -> LivemigError {
            SystemCall.failure(call, Errno(rawValue: errno), at: path, as: .cleanup)
        }
    }
}
