import Glibc
public import MigrationModel

/// Programs that may be executed for a guest.
extension GuestFileRules {
    /// Insists that a program may be run: it is in one of the places, and nobody but root and this
    /// process's own user could put another in its place.
    ///
    /// - Returns: its real path; `nil` where there is none.
    /// - Throws: `E-FORBIDDEN`.
    public func program(_ path: String) throws(LivemigError) -> String? {
        guard let found = try find(path, .emulator, "the emulator") else { return nil }
        var parts = found.path.split(separator: "/")
        var isFile = true
        while true {
            let name = "/" + parts.joined(separator: "/")
            var status = stat()
            guard unsafe lstat(name, &status) == 0 else { return nil }
            try Self.requireSafe(status, isFile: isFile, at: name, of: path)
            guard parts.popLast() != nil else { return found.path }
            isFile = false
        }
    }

    private static func requireSafe(
        _ status: stat, isFile: Bool, at name: String, of path: String
    ) throws(LivemigError) {
        let place = name == path ? path : "\(path), by \(name)"
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw LivemigError(
                .forbidden, "user \(status.st_uid) could put another program there", at: place,
                fix: "chown it to root, or use the distribution's QEMU")
        }
        // In a sticky folder nobody renames or removes what is another's (inode(7)).
        let isSticky = !isFile && status.st_mode & S_ISVTX != 0
        guard status.st_mode & 0o022 == 0 || isSticky else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw LivemigError(
                .forbidden, "others could put another program there (mode 0\(mode))", at: place,
                fix: "chmod go-w it, or use the distribution's QEMU")
        }
    }
}
