import GRDB

/// The tables, and how they came to be what they are.
enum HistorySchema {
    /// Marks the file as a history of livemig (`LMIG`; PRAGMA application_id).
    static let applicationID: Int64 = 0x4C4D_4947

    /// The versions, oldest first; one that has been released is never changed.
    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1", foreignKeyChecks: .immediate) { database in
            try database.execute(sql: "PRAGMA application_id = \(applicationID)")
            try database.execute(sql: version1)
        }
        return migrator
    }()

    /// Times of day are milliseconds since 1970, durations nanoseconds, sizes bytes, pages 4 KiB.
    private static let version1 = """
        CREATE TABLE moves (
            key TEXT NOT NULL PRIMARY KEY, migration TEXT, command TEXT NOT NULL,
            mode TEXT NOT NULL, vm TEXT NOT NULL, uuid TEXT, source TEXT,
            destination TEXT NOT NULL, started_ms INTEGER NOT NULL, policy TEXT NOT NULL,
            prediction TEXT, controller_pid INTEGER, controller_start INTEGER,
            controller_boot TEXT, outcome TEXT, exit_code INTEGER, total_ns INTEGER,
            rounds INTEGER, transfer_ns INTEGER, final_pages_ns INTEGER, device_state_ns INTEGER,
            commit_ns INTEGER, resume_ns INTEGER, guest_bytes INTEGER, wire_bytes INTEGER,
            pages_sent INTEGER, pages_zero INTEGER, pages_unchanged INTEGER, verified TEXT,
            differing_pages INTEGER, differing_first TEXT, vm_state TEXT, vm_host TEXT,
            vm_epoch INTEGER
        ) STRICT;
        CREATE INDEX moves_by_start ON moves (started_ms);
        CREATE TABLE rounds (
            move TEXT NOT NULL REFERENCES moves (key) ON DELETE CASCADE,
            number INTEGER NOT NULL, pages INTEGER NOT NULL, sent INTEGER NOT NULL,
            zero INTEGER NOT NULL, unchanged INTEGER NOT NULL, wire_bytes INTEGER NOT NULL,
            dirtied_pages INTEGER NOT NULL, duration_ns INTEGER NOT NULL,
            PRIMARY KEY (move, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE phases (
            move TEXT NOT NULL REFERENCES moves (key) ON DELETE CASCADE,
            number INTEGER NOT NULL, name TEXT NOT NULL, after_ns INTEGER NOT NULL,
            PRIMARY KEY (move, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE errors (
            move TEXT NOT NULL REFERENCES moves (key) ON DELETE CASCADE,
            side TEXT NOT NULL, code TEXT NOT NULL, what TEXT NOT NULL, place TEXT NOT NULL,
            fix TEXT NOT NULL,
            PRIMARY KEY (move, side)
        ) STRICT, WITHOUT ROWID;
        """
}
