import Glibc
import HostPolicies
public import Hypervisor
import LinuxSystem
public import MigrationModel
import SystemPackage
import WireProtocol

/// The folder that holds everything of one host, and the names in it.
public struct HostRoot: Hashable, Sendable {
    /// The folder, absolute.
    public let path: String
    /// Who logs in to this host, where that is not the agent's own user.
    public let login: LoginUser?

    /// The longest root: the longest socket below it must fit into 107 bytes (unix(7)).
    ///
    /// The longest is `/vms/NAME/guardian.sock` with a name of up to 64 bytes; names that make a
    /// path too long are refused when the socket is made.
    static let lengthLimit = 80

    /// Uses a folder, made with its parts on first use.
    /// - Throws: `E-ROOT` for a path that is not absolute, too long, or not this user's alone.
    public init(_ path: String, login: LoginUser? = nil) throws(LivemigError) {
        self.login = login
        guard path.hasPrefix("/"), path.utf8.count <= Self.lengthLimit else {
            throw LivemigError(
                .root, "the root must be an absolute path of at most \(Self.lengthLimit) bytes",
                at: path.escaped())
        }
        _ = umask(0o077)
        try Self.makeFolder(path, sharing: 0o055)
        // One name for one folder, however it was written: lanes and identities depend on it.
        self.path = try Self.resolve(path)
        for folder in [machines, memories, self.path + "/keys", moves] {
            try Self.makeFolder(folder)
        }
    }

    /// The name of a folder without links.
    static func resolve(_ path: String) throws(LivemigError) -> String {
        guard let resolved = unsafe realpath(path, nil) else {
            throw SystemCall.failure("realpath", .init(rawValue: errno), at: path, as: .root)
        }
        defer { unsafe free(resolved) }
        let text = unsafe String(cString: resolved)
        guard text.utf8.count <= lengthLimit else {
            throw LivemigError(
                .root, "the root must be a path of at most \(lengthLimit) bytes",
                at: text.escaped())
        }
        return text
    }

    /// The folder of a VM.
    public func machine(_ name: VMName) -> MachineFolder {
        MachineFolder(
            path: "\(path)/vms/\(name)", allowsVolatileRecord: allowsVolatileRecords,
            memories: memories)
    }

    /// Whether the operator accepts that records may be lost.
    var allowsVolatileRecords: Bool { unsafe access(allowanceOfVolatileRecords, F_OK) == 0 }

    /// A file of the operator's: records may be on a file system that can lose them.
    private var allowanceOfVolatileRecords: String { path + "/allow-volatile-records" }

    /// A file of the operator's: guardians are no units of systemd.
    var refusalOfUnits: String { path + "/guardians-without-units" }

    /// The folder that has a folder for each VM.
    public var machines: String { path + "/vms" }

    /// The folder that has a file for each VM that this host ever had: what it remembers of its
    /// right to run it.
    var memories: String { path + "/epochs" }

    /// What writers of definitions take turns by: a lock file, this and `.lock`.
    var definitions: String { path + "/definitions" }

    /// The first of the keys by which this host's agent logs in to its peers.
    public var key: String { path + "/keys/id_ed25519" }

    /// The second one: peers in FIPS mode take no Ed25519.
    var secondKey: String { path + "/keys/id_ecdsa" }

    /// What the host allows.
    var policy: HostPolicyFile { HostPolicyFile(path: path + "/host.xml") }

    /// Insists that a VM may be put or started here.
    ///
    /// A policy that cannot be read, which refuses moves, is no reason to keep a guest from running.
    /// - Throws: `E-CORDONED`.
    func admitGuests() throws(LivemigError) {
        try (try? policy.load())?.maintenance.admit(at: path)
    }

    /// The folder with the operator's hooks, which need not exist.
    var hooks: String { path + "/hooks" }

    /// The folder with a file for each move under way.
    var moves: String { path + "/moves" }

    /// Where a migration's worker waits for lanes.
    func lanes(of migration: MigrationID) -> String {
        PrivateDoor.path(of: PrivateDoor.lanes(of: migration), in: self)
    }

    /// What guardians have to say.
    public var log: String { path + "/agent.log" }

    /// Makes a folder of mode 0700 if it is not there.
    ///
    /// - Parameters:
    ///   - path: the folder.
    ///   - sharing: what others may do with one that was there before; the root may be listed, and
    ///     may be a symbolic link.
    static func makeFolder(_ path: String, sharing: UInt32 = 0) throws(LivemigError) {
        if unsafe mkdir(path, 0o700) != 0, errno != EEXIST {
            throw SystemCall.failure("mkdir", .init(rawValue: errno), at: path, as: .root)
        }
        var status = stat()
        try SystemCall.check("stat", at: path, as: .root) {
            sharing == 0 ? unsafe lstat(path, &status) : unsafe stat(path, &status)
        }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o077 & ~sharing == 0
        else {
            let verb = sharing == 0 ? "enter" : "write"
            throw LivemigError(
                .root, "not a folder that only user \(geteuid()) may \(verb)", at: path,
                fix: "check who owns it, then chmod 700 it")
        }
    }
}
