public import MigrationModel
import XMLDocuments

/// The file with a host's policy, read anew for each request.
///
/// Values of different processes and threads may be used at once: writers take turns by a lock file
/// beside it, and readers see the policy before or after a change.
public struct HostPolicyFile: Hashable, Sendable {
    /// The file's path.
    public let path: String

    /// Names a file, which need not exist.
    public init(path: String) { self.path = path }

    /// Reads the policy; the defaults where there is no file.
    /// - Throws: as `HostPolicyDocument.decode`, and `E-FILE`, `E-FILETYPE`, `E-PERMISSION` for a
    ///   file that others may write.
    public func load() throws(LivemigError) -> HostPolicy {
        guard try DocumentFile.exists(path: path) else { return HostPolicy() }
        return try HostPolicyDocument.decode(
            bytes: DocumentFile.read(path: path, writers: .owner(.permission), source: .named),
            name: path)
    }

    /// Puts a policy in the place of the one that it was made from.
    ///
    /// - Parameters:
    ///   - base: what was read before.
    ///   - policy: what shall be.
    /// - Throws: `E-BUSY` when somebody else has changed it meanwhile, and as `load` and
    ///   `HostPolicyDocument.encode`; nothing is written then.
    public func change(from base: HostPolicy, to policy: HostPolicy) throws(LivemigError) {
        let text = try HostPolicyDocument.encode(policy)
        let path = try DocumentFile.target(of: path)
        try DocumentFile.withTurn(toChange: path) { () throws(LivemigError) in
            guard try load() == base else {
                throw LivemigError(
                    .busy, "somebody else has changed the host's policy meanwhile", at: path,
                    fix: "look at it, then change it again")
            }
            try DocumentFile.replace(path: path, contents: text)
        }
    }
}
