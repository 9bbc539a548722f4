import Glibc
public import Hypervisor
public import MigrationModel

/// The rules of a host for files that definitions name, and how such files are looked at.
///
/// A file is found by its name once, with `O_PATH`, which opens nothing (open(2)); what is judged and
/// what is used afterwards is what was found, whatever becomes of the name meanwhile.
public struct GuestFileRules: Sendable {
    /// Where guests may have files.
    public let folders: GuestFolders
    /// The host's own root, whose files are nobody's disks; `nil` where there is none.
    let root: String?
    /// Whom QEMU runs as; `nil` for this process's own user.
    public let user: HypervisorUser?

    /// States rules.
    /// - Parameters:
    ///   - folders: where guests may have files.
    ///   - root: the host's own root folder.
    ///   - user: whom QEMU runs as.
    public init(_ folders: GuestFolders, root: String? = nil, user: HypervisorUser? = nil) {
        self.folders = folders
        self.root = root
        // Only root can do something as somebody else.
        self.user = geteuid() == 0 ? user : nil
    }

    /// The same rules with another user of QEMU.
    public func opening(as user: HypervisorUser?) -> GuestFileRules {
        GuestFileRules(folders, root: root, user: user)
    }

    /// Insists that a name leads to a place that is allowed, and to a regular file; one that leads
    /// to nothing passes where its folder is allowed.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - kind: what it is for.
    ///   - what: what errors call it, such as `disk vda`.
    /// - Returns: the file; `nil` where there is none.
    /// - Throws: `E-FORBIDDEN`, and `E-DISK` or `E-FILE` where a folder on the way cannot be entered.
    public func find(
        _ path: String, _ kind: GuestFileKind, _ what: String
    ) throws(LivemigError) -> FoundFile? {
        let found: FoundFile
        do throws(LivemigError) {
            guard let file = try FoundFile(path, orAs: user, as: kind.code) else {
                try admit(Self.resolved(beyond: path), path, kind, what)
                return nil
            }
            found = file
        } catch {
            // Whether a forbidden file exists is not said.
            try admit(Self.resolved(beyond: path), path, kind, what)
            throw error
        }
        try admit(found.path, path, kind, what)
        guard found.isRegular else {
            throw LivemigError(
                .forbidden, "\(what) is \(found.type), and only regular files are opened", at: path,
                fix: "use an image file in one of the \(kind.places)")
        }
        return found
    }

    /// Insists on the real path of a file.
    private func admit(
        _ real: String, _ path: String, _ kind: GuestFileKind, _ what: String
    ) throws(LivemigError) {
        let shown = real == path ? path : "\(path) is \(real)"
        guard !isOfRoot(real) else {
            throw LivemigError(
                .forbidden, "\(what) is a file of a livemig host itself", at: shown,
                fix: "keep images elsewhere, or in a folder images of the root")
        }
        guard isAllowed(real, kind) else {
            throw LivemigError(
                .forbidden, "\(what) is outside of the \(kind.places) of this host", at: shown,
                fix: "livemig host settings \(kind.option) allows a place")
        }
    }

    /// Whether a real path is in a place for its kind, or is a link's end that the operator chose.
    private func isAllowed(_ real: String, _ kind: GuestFileKind) -> Bool {
        let places = folders.places(for: kind)
        if GuestFolders.contains(real, in: places) { return true }
        // A place that is a link itself, such as /var/lib/libvirt/images, means where it leads.
        return GuestFolders.contains(real, in: places.compactMap(FoundFile.realPath(of:)))
    }

    /// Whether a file is below this host's root, or another's that has the usual folders; the folder
    /// `images` of a root is for images.
    private func isOfRoot(_ real: String) -> Bool {
        var parts = real.split(separator: "/").dropLast()
        var below = ""
        while !parts.isEmpty {
            let folder = "/" + parts.joined(separator: "/")
            let isRoot =
                folder == root
                || ["vms", "keys", "moves"].allSatisfy {
                    unsafe access("\(folder)/\($0)", F_OK) == 0
                }
            if isRoot, below != "images" { return true }
            below = String(parts.removeLast())
        }
        return false
    }

    /// As many links as the kernel follows (path_resolution(7)).
    private static let linkLimit = 40

    /// Where a file would be that does not exist, by the nearest folder that does; a link that leads
    /// to nothing is followed to where it would lead.
    private static func resolved(beyond path: String) -> String {
        var path = path
        for _ in 0..<linkLimit {
            guard let target = FoundFile.target(of: path) else { break }
            let folder = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
            path = target.hasPrefix("/") ? target : folder + target
        }
        var parts = path.split(separator: "/")
        var rest: [Substring] = []
        while let last = parts.popLast() {
            rest.insert(last, at: 0)
            let folder = "/" + parts.joined(separator: "/")
            guard let real = FoundFile.realPath(of: folder) else { continue }
            return (real == "/" ? "" : real) + "/" + rest.joined(separator: "/")
        }
        return path
    }
}

extension GuestFileKind {
    /// The kind of error when such a file cannot be found.
    var code: ErrorCode {
        switch self {
        case .image: .disk
        case .boot, .emulator: .qemu
        }
    }
}
