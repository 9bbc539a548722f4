public import MigrationModel

/// Finds the pages whose hashes differ between a peer's table, which comes piece by piece, and our
/// own.
///
/// Pieces ascend. Pages between two pieces, and those after the last, have no hash in the peer's
/// table (`PageHashKey.neverSent`), so that a guest that uses little of its memory has little to
/// send.
public struct PageComparison: Hashable, Sendable {
    /// The pages found so far.
    public private(set) var differing = DifferingPages()
    /// The first page that no piece has covered yet.
    private var next: UInt64 = 0

    /// A comparison of which no piece has come.
    public init() {}

    /// Compares a piece.
    ///
    /// - Parameters:
    ///   - hashes: of consecutive pages, from a peer that is not trusted.
    ///   - first: the page of the first of them.
    ///   - table: our own hashes.
    /// - Throws: `order` for a piece that overlaps an earlier one, `pageRange` for one that goes
    ///   beyond the table; nothing of the piece counts then.
    public mutating func take(
        _ hashes: [UInt64], from first: UInt64, against table: borrowing PageHashTable
    ) throws(BatchError) {
        guard first >= next else { throw .order }
        let (end, overflow) = first.addingReportingOverflow(UInt64(hashes.count))
        guard !overflow, end <= UInt64(table.pageCount) else { throw .pageRange }
        skip(to: first, table)
        for hash in hashes {
            if hash != table[next] { differing.add(next) }
            next += 1
        }
    }

    /// Compares what no piece has covered: the peer has nothing more.
    public mutating func finish(against table: borrowing PageHashTable) {
        skip(to: UInt64(table.pageCount), table)
    }

    private mutating func skip(to page: UInt64, _ table: borrowing PageHashTable) {
        while next < page {
            if table[next] != PageHashKey.neverSent { differing.add(next) }
            next += 1
        }
    }
}
