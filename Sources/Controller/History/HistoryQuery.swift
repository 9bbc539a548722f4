import GRDB
public import MigrationModel

/// Which moves are asked for.
public struct HistoryQuery: Hashable, Sendable {
    /// Moves of a VM of this name.
    public var vm: String?
    /// Moves from or to this host.
    public var host: String?
    /// Moves that began then or later.
    public var since: WallTime?
    /// At most so many, the latest.
    public var limit: Int
    /// Those only that did not end with exit code 0.
    public var failedOnly = false

    /// Asks for the latest moves.
    public init(limit: Int = HistoryDatabase.moveLimit) { self.limit = limit }
}

extension HistoryDatabase {
    /// The fewest digits by which a move is found.
    public static let prefixLimit = 4

    /// Finds moves, the latest first.
    ///
    /// - Parameters:
    ///   - query: which.
    ///   - isAlive: whether a controller still runs; a move whose controller does not was
    ///     interrupted.
    /// - Throws: `E-HISTORY`.
    public func moves(
        _ query: HistoryQuery, isAlive: (ControllerProcess) -> Bool = \.isAlive
    ) throws(LivemigError) -> [MoveRecord] {
        try read { database in
            var request = MoveRow.order(Column("started_ms").desc, Column.rowID.desc)
            if let vm = query.vm { request = request.filter(Column("vm") == vm) }
            if let host = query.host {
                request = request.filter(
                    Column("source") == host || Column("destination") == host)
            }
            if let since = query.since {
                request = request.filter(Column("started_ms") >= since.milliseconds)
            }
            if query.failedOnly {
                request = request.filter(Column("exit_code") == nil || Column("exit_code") != 0)
            }
            let rows = try request.fetchCursor(database)
            var found: [MoveRecord] = []
            while found.count < query.limit, let row = try rows.next() {
                let record = try Self.record(row, database, isAlive)
                if query.failedOnly, case .running = record.state { continue }
                found.append(record)
            }
            return found
        }
    }

    /// Finds the one move whose id begins so.
    ///
    /// - Parameters:
    ///   - prefix: 4 to 32 hexadecimal digits.
    ///   - isAlive: as for `moves`.
    /// - Throws: `E-USAGE` for anything else, `E-NOMOVE`, `E-AMBIGUOUS`, `E-HISTORY`.
    public func move(
        _ prefix: String, isAlive: (ControllerProcess) -> Bool = \.isAlive
    ) throws(LivemigError) -> MoveRecord {
        let prefix = try Self.digits(prefix)
        let found = try read { database in
            let rows =
                try MoveRow
                .filter(
                    sql: "substr(coalesce(migration, key), 1, ?) = ?",
                    arguments: [prefix.count, prefix]
                )
                .order(Column("started_ms").desc).limit(10).fetchAll(database)
            return try rows.map { try Self.record($0, database, isAlive) }
        }
        guard let first = found.first else { throw Self.missing(prefix, path) }
        guard found.count == 1 else {
            throw LivemigError(
                .ambiguousVM, "several moves have an id that begins with \(prefix)",
                at: found.map(\.id.description).joined(separator: " "), fix: "give more digits")
        }
        return first
    }

    /// Checks what a move is named by.
    /// - Returns: the digits in lower case.
    /// - Throws: `E-USAGE` for anything but 4 to 32 hexadecimal digits.
    public static func digits(_ text: String) throws(LivemigError) -> String {
        let isNumber = text.utf8.allSatisfy { $0 < 128 } && text.allSatisfy(\.isHexDigit)
        guard isNumber, (prefixLimit...32).contains(text.count) else {
            throw LivemigError(
                .usage, "not the id of a move: \(text.escaped())",
                fix: "give \(prefixLimit) to 32 of its digits, as livemig history shows them")
        }
        return text.lowercased()
    }

    /// The error about a move that is not there.
    public static func missing(_ prefix: String, _ path: String) -> LivemigError {
        LivemigError(
            .noMove, "no move in the history has an id that begins with \(prefix)", at: path,
            fix: "livemig history lists them")
    }

    private static func record(
        _ row: MoveRow, _ database: Database, _ isAlive: (ControllerProcess) -> Bool
    ) throws -> MoveRecord {
        let isPart = Column("move") == row.key
        return try row.record(
            rounds: RoundRow.filter(isPart).order(Column("number")).fetchAll(database),
            phases: PhaseRow.filter(isPart).order(Column("number")).fetchAll(database),
            errors: ErrorRow.filter(isPart).fetchAll(database), isAlive: isAlive)
    }
}
