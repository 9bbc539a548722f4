import MigrationModel

/// Changes to files with peers' keys that count only once somebody has tried them.
struct ProvisionalTrust {
    private var changes: [(file: AuthorizedKeysFile, change: AuthorizedKeysFile.Change)] = []

    mutating func add(_ file: AuthorizedKeysFile, _ change: AuthorizedKeysFile.Change) {
        changes.append((file, change))
    }

    /// Keeps all changes, or undoes them.
    /// - Throws: as `undo`.
    mutating func settle(keeping isKept: Bool) throws(LivemigError) {
        if isKept { changes = [] } else { try undo() }
    }

    /// Undoes all changes, the last one first.
    /// - Throws: `E-BUSY` when somebody else has changed a file since: it stays as it is then.
    mutating func undo() throws(LivemigError) {
        var failure: LivemigError?
        while let (file, change) = changes.popLast() {
            do throws(LivemigError) {
                guard try !file.undo(change) else { continue }
                throw LivemigError(
                    .busy, "somebody else has changed the file meanwhile, and it was left so",
                    at: file.path, fix: "look for the line that ends in livemig:PEER:ROOT")
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }
}
