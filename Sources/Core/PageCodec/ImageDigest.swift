public import MigrationModel

/// A 128-bit digest over the page hashes of an image, kept up to date page by page.
///
/// It is a pair of wrapping sums over all pages that were sent: of the page hashes, and of a second
/// mix of page hash and page number. Sums do not depend on the order of pages, so replacing one
/// hash costs two subtractions and two additions, and each lane keeps a partial digest of its own:
/// the digest of the image is the sum of the lanes' digests.
///
/// Why equal digests mean equal tables: page hashes are 64-bit values keyed by secret and page
/// number. One wrong page leaves the digest equal only if its two contents have the same hash
/// (about 2⁻⁶⁴). Several wrong pages must in addition cancel out in both sums at once, which for
/// differences that are independent of the secret happens with about 2⁻¹²⁸. A page present in one
/// table and missing from the other counts as a wrong page, since no hash is 0. The limit: these
/// are linear sums of a fast hash; they detect faults and are no defence against someone who
/// knows the secret. That is what SSH is for.
public struct ImageDigest: Hashable, Sendable, CustomStringConvertible {
    /// The wrapping sum of the page hashes.
    public private(set) var sum: UInt64
    /// The wrapping sum of the second mixes.
    public private(set) var mixedSum: UInt64

    /// The digest of an image of which no page was sent.
    public init() {
        sum = 0
        mixedSum = 0
    }

    /// A digest that came from the peer or a record.
    public init(_ bits: Bits128) {
        sum = bits.low
        mixedSum = bits.high
    }

    /// The digest of a whole table, computed from nothing: what incremental updates must equal.
    public init(of table: borrowing PageHashTable) {
        self.init()
        for page in 0..<UInt64(table.pageCount) {
            replace(page: page, old: PageHashKey.neverSent, new: table[page])
        }
    }

    /// The 128 bits as they travel and are recorded.
    public var bits: Bits128 { Bits128(high: mixedSum, low: sum) }

    /// The 32 hexadecimal digits.
    public var description: String { bits.description }

    /// Takes one page's hash out and puts another in; `PageHashKey.neverSent` stands for none.
    @inline(__always)
    public mutating func replace(page: UInt64, old: UInt64, new: UInt64) {
        sum = sum &- old &+ new
        mixedSum = mixedSum &- Self.second(old, page) &+ Self.second(new, page)
    }

    /// Joins the partial digests of two lanes.
    public static func + (left: ImageDigest, right: ImageDigest) -> ImageDigest {
        var result = left
        result += right
        return result
    }

    /// Adds another lane's partial digest.
    public static func += (left: inout ImageDigest, right: ImageDigest) {
        left.sum &+= right.sum
        left.mixedSum &+= right.mixedSum
    }

    @inline(__always)
    private static func second(_ hash: UInt64, _ page: UInt64) -> UInt64 {
        hash == PageHashKey.neverSent ? 0 : mixed(hash ^ (page &* 0xD6E8_FEB8_6659_FD93))
    }
}
