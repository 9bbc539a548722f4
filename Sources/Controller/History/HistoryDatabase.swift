import GRDB
import LinuxSystem
public import MigrationModel

/// The history at a path.
///
/// Several processes may use it at once: they take turns, for at most `busyLimit`. Calls block;
/// they are not for Swift tasks.
public struct HistoryDatabase: Sendable {
    /// The file's path.
    public let path: String
    private let queue: DatabaseQueue
    private let moveLimit: Int

    /// How many moves are kept; older ones are forgotten.
    public static let moveLimit = 10_000
    /// The longest wait for another process.
    public static let busyLimit = Duration.seconds(3)

    /// Opens the history, and makes it where there is none.
    ///
    /// - Parameters:
    ///   - path: the file; it gets mode 0600, and missing folders 0700.
    ///   - moveLimit: how many moves are kept.
    /// - Throws: `E-HISTORY` where it cannot be written, is no history, is damaged, or was written
    ///   by a newer version; the file is left as it is then.
    public init(
        path: String, moveLimit: Int = HistoryDatabase.moveLimit
    ) throws(LivemigError) {
        try HistoryFile.make(path)
        try self.init(file: path, moveLimit)
    }

    /// Opens a history to read it.
    /// - Returns: `nil` where there is none.
    /// - Throws: as `init`.
    public static func existing(path: String) throws(LivemigError) -> HistoryDatabase? {
        guard try HistoryFile.exists(path) else { return nil }
        return try HistoryDatabase(file: path, moveLimit)
    }

    private init(file path: String, _ moveLimit: Int) throws(LivemigError) {
        try HistoryFile.check(path)
        self.path = path
        self.moveLimit = moveLimit
        var configuration = Configuration()
        configuration.label = "history"
        configuration.busyMode = .timeout(Self.busyLimit.seconds)
        // A name such as `file:x` would be taken for a URI (sqlite.org/uri.html).
        let file = path.hasPrefix("/") ? path : "./" + path
        queue = try HistoryFailure.translated(path) {
            let queue = try DatabaseQueue(path: file, configuration: configuration)
            try queue.read { database in try Self.judge(database, path) }
            try Self.migrate(queue)
            // GRDB remembers which tables there are, and does not see those that others make.
            try queue.read { database in database.clearSchemaCache() }
            return queue
        }
    }

    /// Refuses what is not a history of this version or an older one.
    private static func judge(_ database: Database, _ path: String) throws {
        let mark = try Int64.fetchOne(database, sql: "PRAGMA application_id")
        let tables = try String.fetchSet(
            database, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
        // Another controller may be about to make the tables.
        let isNew = mark == 0 && tables.isSubset(of: ["grdb_migrations"])
        guard isNew || mark == HistorySchema.applicationID else {
            throw LivemigError(
                .history, "the file is a database of another program", at: path,
                fix: "name another file by LIVEMIG_HISTORY")
        }
        let known = HistorySchema.migrator.migrations
        let newer = try HistorySchema.migrator.appliedIdentifiers(database).subtracting(known)
        guard newer.isEmpty else {
            throw LivemigError(
                .history,
                "the history has version \(newer.sorted().joined(separator: ", ")), "
                    + "and this livemig knows \(known.joined(separator: ", "))", at: path,
                fix: "use the newer livemig, or name another file by LIVEMIG_HISTORY")
        }
    }

    /// Brings the tables up to date.
    ///
    /// Two controllers may do so at once. The migrator looks what there is before it waits for
    /// its turn, so that the second fails on what the first has made: then it looks again.
    private static func migrate(_ queue: DatabaseQueue) throws {
        let migrator = HistorySchema.migrator
        while true {
            let before = try queue.read(migrator.appliedIdentifiers)
            if before.isSuperset(of: migrator.migrations) { return }
            do {
                try migrator.migrate(queue)
            } catch {
                guard try queue.read(migrator.appliedIdentifiers) != before else { throw error }
            }
        }
    }

    func read<Value>(_ body: (Database) throws -> Value) throws(LivemigError) -> Value {
        try HistoryFailure.translated(path) { try queue.read(body) }
    }

    /// Writes a move in the place of what was written of it before, and forgets the oldest.
    /// - Throws: `E-HISTORY`, or `E-RESOURCE`; then nothing was written.
    public func write(_ record: MoveRecord) throws(LivemigError) {
        try HistoryFailure.translated(path) {
            try queue.write { database in
                let row = MoveRow(record)
                _ = try MoveRow.deleteOne(database, key: row.key)
                try row.insert(database)
                try Self.insertParts(of: record, row.key, database)
                try database.execute(
                    sql: """
                        DELETE FROM moves WHERE rowid IN (
                            SELECT rowid FROM moves ORDER BY started_ms DESC, rowid DESC
                            LIMIT -1 OFFSET ?)
                        """, arguments: [moveLimit])
            }
        }
    }

    private static func insertParts(
        of record: MoveRecord, _ key: String, _ database: Database
    ) throws {
        for round in record.rounds {
            // A source that tells a round twice has told it last.
            try RoundRow(round, of: key).insert(database, onConflict: .replace)
        }
        for (number, phase) in record.phases.enumerated() {
            try PhaseRow(
                move: key, number: Int64(number), name: phase.name,
                afterNs: phase.after.inNanoseconds
            ).insert(database)
        }
        let errors: [(ErrorRow.Side, MoveRecord.Failure?)] = [
            (.move, record.ending?.error), (.source, record.ending?.sourceError),
            (.destination, record.ending?.destinationError),
        ]
        for case (let side, let failure?) in errors {
            try ErrorRow(failure, by: side, of: key).insert(database)
        }
    }
}

/// What SQLite says, in words of our own.
enum HistoryFailure {
    /// Runs a body whose errors are about the history at a path.
    static func translated<Value>(
        _ path: String, _ body: () throws -> Value
    ) throws(LivemigError) -> Value {
        do {
            return try body()
        } catch let error as LivemigError {
            throw error.at(path)
        } catch let error as DatabaseError {
            throw told(error, path)
        } catch {
            throw LivemigError(.history, "an entry of the history cannot be read", at: path)
        }
    }

    private static func told(_ error: DatabaseError, _ path: String) -> LivemigError {
        let reason = error.message ?? error.resultCode.description
        return switch error.resultCode {
        case .SQLITE_BUSY:
            LivemigError(
                .history,
                "other processes held the history for \(HistoryDatabase.busyLimit.brief)",
                at: path)
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            LivemigError(
                .history, "the history is damaged: \(reason)", at: path,
                fix: "move the file away, and a new one is made")
        default: LivemigError(.history, reason, at: path)
        }
    }
}
