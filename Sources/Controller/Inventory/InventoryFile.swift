import Glibc
public import MigrationModel
import XMLDocuments

/// The inventory at a path.
///
/// Values of different processes and threads may be used at once: writers take turns by a lock file
/// beside the inventory, and readers see the state before or after a change.
public struct InventoryFile: Hashable, Sendable {
    /// The file's path.
    public let path: String

    /// Names a file, which need not exist yet.
    public init(path: String) { self.path = path }

    /// Reads the hosts.
    ///
    /// The inventory says which host keys are trusted, and which key logs in where.
    /// - Throws: as `InventoryDocument.decode`, and `E-FILE`, `E-FILETYPE`, `E-PERMISSION`,
    ///   `E-INVENTORYMODE` for a file that others may write.
    public func load() throws(LivemigError) -> [HostRecord] {
        try InventoryDocument.decode(
            bytes: DocumentFile.read(
                path: path, writers: .owner(.inventoryMode), source: .named), name: path)
    }

    /// Reads the hosts, changes them and writes them back, with no other writer in between.
    ///
    /// Waits for other writers. Behind a link the file at its end is changed. A file that does not exist counts as empty and is made with mode
    /// 0600, missing folders with mode 0700. When `change` throws, nothing is written.
    /// - Parameter change: changes the hosts; quick, since other writers wait.
    /// - Returns: what `change` returned.
    /// - Throws: what `change` throws, and as `load` and `InventoryDocument.encode`.
    @discardableResult
    public func update<Result>(
        _ change: (inout [HostRecord]) throws(LivemigError) -> Result
    ) throws(LivemigError) -> Result {
        let path = try DocumentFile.target(of: path)
        try Self.makeFolders(DocumentFile.folder(of: path))
        return try DocumentFile.withTurn(toChange: path) { () throws(LivemigError) in
            let before: [HostRecord]? = try DocumentFile.exists(path: path) ? load() : nil
            var records = before ?? []
            let result = try change(&records)
            if before != records {
                try DocumentFile.replace(path: path, contents: InventoryDocument.encode(records))
            }
            return result
        }
    }

    /// Makes a folder and what is missing above it.
    private static func makeFolders(_ folder: String) throws(LivemigError) {
        var status = stat()
        if unsafe stat(folder, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw LivemigError(.fileType, "not a folder", at: folder)
            }
            return
        }
        guard errno == ENOENT, folder != "/", folder != "." else {
            throw OwnedDescriptor.failure("cannot examine the folder", folder, errno)
        }
        try makeFolders(DocumentFile.folder(of: folder))
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw OwnedDescriptor.failure("cannot make the folder", folder, errno)
        }
    }
}
