internal import CXXHash

/// The keyed hash of one page: a function of a migration's secret, the page number and the content.
///
/// A page that is all zeros hashes to a mix of secret and page number and its memory is never
/// read for that; any other content goes through XXH3-64 with a seed mixed from secret and page
/// number, so equal content on two pages hashes differently and a page put in the wrong place is
/// noticed. Both hosts use this one definition, whatever form the page travelled in.
///
/// The hash finds faults: a byte lost on the way, a page misplaced, a page forgotten. XXH3 is no
/// cryptographic hash; keeping an attacker off the wire is the task of SSH. The secret keeps the
/// guest itself, which chooses the content, from preparing two contents with equal hashes.
/// XXH3: xxHash 0.8 specification, `doc/xxhash_spec.md`.
public struct PageHashKey: Hashable, Sendable {
    /// 64 random bits, drawn once per migration and known to both hosts.
    public let secret: UInt64

    /// Uses a secret that came from the peer.
    public init(secret: UInt64) { self.secret = secret }

    /// A new migration's key, from the system's random generator.
    public static func random() -> PageHashKey { PageHashKey(secret: .random(in: .min ... .max)) }

    /// The value that stands for "this page was never sent"; no page hashes to it.
    public static let neverSent: UInt64 = 0

    /// The hash of a page of zeros, without reading any memory; never 0.
    @inline(__always)
    public func zeroPage(_ page: UInt64) -> UInt64 {
        nonZero(mixed(seed(of: page) ^ 0xA076_1D64_78BD_642F))
    }

    /// The hash of a page's content; never 0.
    /// - Parameter content: exactly `PageGeometry.pageSize` bytes; `nil` is returned for any other
    ///   length.
    public func hash(of content: RawSpan, page: UInt64) -> UInt64? {
        guard content.byteCount == PageGeometry.pageSize else { return nil }
        return unsafe content.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return nil }
            return unsafe hash(at: start, page: page)
        }
    }

    /// The hash of the page at an address; never 0.
    /// - Parameter content: readable for `PageGeometry.pageSize` bytes and not written meanwhile.
    @unsafe
    @inline(__always)
    public func hash(at content: UnsafeRawPointer, page: UInt64) -> UInt64 {
        if unsafe isZeroPage(content) { return zeroPage(page) }
        return unsafe nonZero(
            livemig_xxh3_64(content, PageGeometry.pageSize, seed(of: page)))
    }

    @inline(__always)
    private func seed(of page: UInt64) -> UInt64 {
        mixed(secret ^ (page &* 0x9E37_79B9_7F4A_7C15))
    }

    @inline(__always)
    private func nonZero(_ hash: UInt64) -> UInt64 { hash == 0 ? 1 : hash }
}

/// The key does not show its secret.
extension PageHashKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `<redacted>`.
    public var description: String { "<redacted>" }

    /// `<redacted>`.
    public var debugDescription: String { description }

    /// Without children.
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}

/// A bijection of 64-bit words in which every input bit changes about half of the output bits
/// (the finaliser of SplitMix64, Steele, Lea and Flood, OOPSLA 2014).
@inline(__always)
func mixed(_ word: UInt64) -> UInt64 {
    var word = word
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
}
