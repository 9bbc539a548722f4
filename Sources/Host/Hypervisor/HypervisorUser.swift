import Glibc
public import LinuxSystem
public import MigrationModel

/// A user without privileges that hypervisors run as, so that a guest that breaks out of one has
/// little of the host.
public struct HypervisorUser: Hashable, Sendable {
    /// The name; of a user that is only a number, the number.
    public let name: String
    private let isNamed: Bool
    /// The user's number.
    public let id: UInt32
    /// The number of the user's own group.
    public let group: UInt32

    /// Looks a user up (getpwnam_r(3)).
    /// - Throws: `E-QEMU` when this host has no such user.
    public init(named name: String) throws(LivemigError) {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: Self.entryLimit)
        let failure = unsafe getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        guard failure == 0, unsafe found != nil else {
            throw LivemigError(
                .qemu, "there is no user \(name.escaped()) to run hypervisors as",
                fix: "make the user, or change the host's settings")
        }
        self.name = name
        isNamed = true
        id = unsafe entry.pw_uid
        group = unsafe entry.pw_gid
    }

    /// A user that is only a number, and so is its group.
    init(numbered id: UInt32) {
        name = String(id)
        isNamed = false
        self.id = id
        group = id
    }

    /// The longest entry of the user database that is read, in bytes.
    private static let entryLimit = 16 << 10

    /// The command that runs another one as this user, with the user's groups (setpriv(1)); one that
    /// is only a number has none but that of devices which the command needs.
    ///
    /// The variables are set by env(1), behind the change: the dynamic linker would obey some of
    /// them in the programs before.
    public func command(
        _ program: String, _ arguments: [String], environment: [String: String],
        devices: [String] = []
    ) -> ChildProcess.Command {
        let variables = environment.map { "\($0)=\($1)" }.sorted()
        let change = ["--reuid=\(id)", "--regid=\(group)", groups(of: devices), "/usr/bin/env"]
        return ChildProcess.Command("/usr/bin/setpriv", change + variables + [program] + arguments)
    }

    private func groups(of devices: [String]) -> String {
        guard !isNamed else { return "--init-groups" }
        let groups = Set(devices.compactMap(Self.group))
        guard !groups.isEmpty else { return "--clear-groups" }
        return "--groups=" + groups.sorted().map { String($0) }.joined(separator: ",")
    }

    /// The group that may use a device, unless everybody may or it is root's.
    private static func group(of device: String) -> UInt32? {
        var status = stat()
        guard unsafe stat(device, &status) == 0, status.st_mode & 0o006 != 0o006,
            status.st_mode & 0o060 == 0o060, status.st_gid != 0
        else { return nil }
        return status.st_gid
    }
}
