import Glibc
public import LinuxSystem
public import MigrationModel

/// A user without privileges that hypervisors run as, so that a guest that breaks out of one has
/// little of the host.
public struct HypervisorUser: Hashable, Sendable {
    /// The name.
    public let name: String
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
        id = unsafe entry.pw_uid
        group = unsafe entry.pw_gid
    }

    /// The longest entry of the user database that is read, in bytes.
    private static let entryLimit = 16 << 10

    /// The command that runs another one as this user, with the user's groups (setpriv(1)).
    ///
    /// The variables are set by env(1), behind the change: the dynamic linker would obey some of
    /// them in the programs before.
    public func command(
        _ program: String, _ arguments: [String], environment: [String: String]
    ) -> ChildProcess.Command {
        let variables = environment.map { "\($0)=\($1)" }.sorted()
        let change = ["--reuid=\(id)", "--regid=\(group)", "--init-groups", "/usr/bin/env"]
        return ChildProcess.Command("/usr/bin/setpriv", change + variables + [program] + arguments)
    }
}
