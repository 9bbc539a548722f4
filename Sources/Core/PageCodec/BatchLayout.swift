/// How a batch of pages lies in the payload of a frame.
///
/// All numbers are little-endian.
///
/// Header, 16 bytes:
///
/// | offset | bytes | field                                              | limit                |
/// |-------:|------:|----------------------------------------------------|----------------------|
/// |      0 |     4 | round the batch belongs to                         | the receiver's round |
/// |      4 |     1 | codec: 0 none, 1 LZ4, 2 zstd                       |                      |
/// |      5 |     1 | reserved                                           | 0                    |
/// |      6 |     2 | run count                                          | 1…64                 |
/// |      8 |     2 | data page count over all runs                      | 0…64                 |
/// |     10 |     2 | reserved                                           | 0                    |
/// |     12 |     4 | length of the encoded data                         | ≤ data pages × 4096  |
///
/// Then the runs, 16 bytes each, ascending by page and not overlapping:
///
/// | offset | bytes | field                                              | limit                |
/// |-------:|------:|----------------------------------------------------|----------------------|
/// |      0 |     8 | first page                                         | < pages of the guest |
/// |      8 |     2 | page count                                         | 1…64, sum ≤ 64       |
/// |     10 |     1 | kind: 1 zero, 2 data                               |                      |
/// |     11 |     5 | reserved                                           | 0                    |
///
/// Then the encoded data: the data pages in the order of the runs, 4096 bytes each, as they are
/// (codec none) or as one LZ4 block or one zstd frame over all of them. Nothing follows.
public enum BatchLayout {
    /// Bytes of the header.
    public static let headerBytes = 16
    /// Bytes of one run.
    public static let runBytes = 16
}

/// The limits of a batch; each is checked before anything is placed.
public enum BatchLimits {
    /// Pages of guest RAM one batch carries at most, of both kinds together.
    public static let pages = 64
    /// Runs one batch has at most: every page its own run.
    public static let runs = 64
    /// Bytes of encoded data at most: an encoding that is not smaller than the pages is not used.
    public static let encodedBytes = pages * PageGeometry.pageSize
    /// Bytes of a payload at most.
    public static let payloadBytes =
        BatchLayout.headerBytes + runs * BatchLayout.runBytes + encodedBytes
    /// Bytes a caller may reserve before the payload at most.
    public static let headerGap = 1024
}

/// How the data pages of a batch are packed.
public enum Codec: UInt8, Hashable, Sendable, CaseIterable {
    /// The pages as they are.
    case none = 0
    /// One LZ4 block (lz4 `doc/lz4_Block_format.md`).
    case lz4 = 1
    /// One zstd frame (RFC 8878) with its content size, without checksum and dictionary.
    case zstd = 2
}

/// What a run's pages are.
enum PageKind: UInt8, Sendable {
    case zero = 1
    case data = 2
}

/// Consecutive pages of one kind.
struct PageRun: Equatable, Sendable {
    var first: UInt64
    var count: UInt16
    var kind: PageKind
}

/// Room for the runs of one batch, in place.
typealias RunArray = InlineArray<64, PageRun>

extension PageRun {
    /// An entry not in use.
    static var none: PageRun { PageRun(first: 0, count: 0, kind: .zero) }
}

/// The fixed fields before the runs.
struct BatchHeader: Equatable, Sendable {
    var round: UInt32
    var codec: Codec
    var runCount: UInt16
    var dataPages: UInt16
    var encodedBytes: UInt32

    /// Where the encoded data starts in the payload.
    var dataOffset: Int { BatchLayout.headerBytes + Int(runCount) * BatchLayout.runBytes }

    /// Bytes of all data pages.
    var rawBytes: Int { Int(dataPages) * PageGeometry.pageSize }
}

// MARK: Writing

extension BatchHeader {
    /// Writes the 16 bytes at an address.
    func write(to start: UnsafeMutableRawPointer) {
        unsafe start.store(round, at: 0)
        unsafe start.store(UInt16(codec.rawValue), at: 4)
        unsafe start.store(runCount, at: 6)
        unsafe start.store(dataPages, at: 8)
        unsafe start.store(UInt16(0), at: 10)
        unsafe start.store(encodedBytes, at: 12)
    }
}

extension PageRun {
    /// Writes the 16 bytes at an address.
    func write(to start: UnsafeMutableRawPointer) {
        unsafe start.store(first, at: 0)
        unsafe start.store(UInt64(count) | UInt64(kind.rawValue) << 16, at: 8)
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    fileprivate func store<Number: FixedWidthInteger & BitwiseCopyable>(
        _ number: Number, at offset: Int
    ) {
        unsafe storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
    }
}

// MARK: Reading

extension BatchHeader {
    /// Reads and checks the header against the payload that carries it.
    init(reading payload: RawSpan, round expected: UInt32) throws(BatchError) {
        guard payload.byteCount >= BatchLayout.headerBytes else { throw .truncated }
        guard payload.byteCount <= BatchLimits.payloadBytes else { throw .tooLong }
        round = payload.number(at: 0)
        guard round == expected else { throw .wrongRound(round) }
        let code: UInt8 = payload.number(at: 4)
        guard let codec = Codec(rawValue: code) else { throw .unknownCodec(code) }
        self.codec = codec
        let reserved: (UInt8, UInt16) = (payload.number(at: 5), payload.number(at: 10))
        guard reserved == (0, 0) else { throw .reserved }
        runCount = payload.number(at: 6)
        dataPages = payload.number(at: 8)
        encodedBytes = payload.number(at: 12)
        guard runCount > 0 else { throw .empty }
        guard runCount <= BatchLimits.runs else { throw .tooManyRuns }
        guard dataPages <= BatchLimits.pages else { throw .tooManyPages }
        let length = Int(encodedBytes)
        switch codec {
        case .none: guard length == rawBytes else { throw .encodedLength }
        case .lz4, .zstd: guard length > 0, length < rawBytes else { throw .encodedLength }
        }
        guard payload.byteCount >= dataOffset + length else { throw .truncated }
        guard payload.byteCount == dataOffset + length else { throw .trailingBytes }
    }
}

extension PageRun {
    /// Reads one run; the caller has checked that the payload holds it.
    init(reading payload: RawSpan, index: Int) throws(BatchError) {
        let start = BatchLayout.headerBytes + index * BatchLayout.runBytes
        first = payload.number(at: start)
        let rest: UInt64 = payload.number(at: start + 8)
        guard rest >> 24 == 0 else { throw .reserved }
        count = UInt16(truncatingIfNeeded: rest)
        let code = UInt8(truncatingIfNeeded: rest >> 16)
        guard let kind = PageKind(rawValue: code) else { throw .unknownKind(code) }
        self.kind = kind
        guard count > 0 else { throw .emptyRun }
        guard count <= BatchLimits.pages else { throw .tooManyPages }
    }
}

extension RawSpan {
    /// A little-endian number; the caller has checked that the span holds it.
    @inline(__always)
    fileprivate func number<Number: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int
    ) -> Number {
        unsafe Number(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}
