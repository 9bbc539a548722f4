import Glibc
import LinuxSystem
import MigrationModel

/// A socket below the folder of moves, where processes of this host's agents wait for each other.
///
/// Nobody else may enter the folder, so that nobody else can connect, or take up the room for
/// connections that wait. Each door has a folder of its own, locked as long as its process lives
/// (flock(2)); one that a killed process has left goes with the next door.
struct PrivateDoor: ~Copyable {
    /// The socket's path.
    let path: String
    private let socket: OwnedDescriptor
    private let folder: OwnedDescriptor
    private let folderPath: String

    /// What names of doors start with, and the socket's in each.
    private static let prefix = "door."
    private static let socketName = "socket"

    /// Where a migration's worker waits for lanes, below the folder of moves.
    static func lanes(of migration: MigrationID) -> String { "\(prefix)lanes.\(migration)" }

    /// Where one guardian that is to be started finds its starter.
    static func starter() -> String { "\(prefix)start.\(MigrationID.random())" }

    /// The path of a door's socket.
    static func path(of name: String, in root: HostRoot) -> String {
        "\(root.moves)/\(name)/\(socketName)"
    }

    /// Listens.
    init(_ name: String, in root: HostRoot) throws(LivemigError) {
        let folderPath = "\(root.moves)/\(name)"
        // A door that another process makes is there a moment before it is locked.
        let turn = try OwnedDescriptor.open(root.moves, O_RDONLY | O_DIRECTORY, as: .root)
        let number = turn.number
        try SystemCall.check("flock", at: root.moves) { flock(number, LOCK_EX) }
        Self.removeForsaken(in: root)
        try HostRoot.makeFolder(folderPath)
        let folder = try OwnedDescriptor.open(folderPath, O_RDONLY | O_DIRECTORY, as: .root)
        let own = folder.number
        try SystemCall.check("flock", at: folderPath) { flock(own, LOCK_EX | LOCK_NB) }
        let socket = try UnixSocket.listen(Self.socketName, in: folderPath, .packets)
        self.path = Self.path(of: name, in: root)
        self.folderPath = folderPath
        self.folder = folder
        self.socket = socket
    }

    deinit { try? FolderTree.remove(folderPath) }

    /// Polls readable when somebody has connected.
    var descriptor: CInt { socket.number }

    /// Takes the next connection; `nil` for one that is none of this host's agents'.
    borrowing func accept() throws(LivemigError) -> OwnedDescriptor? {
        try UnixSocket.accept(socket)
    }

    private static func removeForsaken(in root: HostRoot) {
        for name in (try? FolderListing.names(in: root.moves)) ?? [] where name.hasPrefix(prefix) {
            let path = "\(root.moves)/\(name)"
            guard let folder = try? OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY),
                flock(folder.number, LOCK_EX | LOCK_NB) == 0
            else { continue }
            try? FolderTree.remove(path)
        }
    }
}
