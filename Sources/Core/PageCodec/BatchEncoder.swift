public import MigrationModel

/// What one call of the encoder did.
public struct EncodedBatch: Hashable, Sendable {
    /// Pages sent as zero.
    public var zero = 0
    /// Pages sent with content.
    public var data = 0
    /// Pages left out because they equal what was last sent.
    public var unchanged = 0
    /// The codec the batch ended up with: `none` when compression did not make it smaller.
    public var codec = Codec.none
    /// Bytes of the data pages before coding.
    public var rawBytes = 0
    /// Bytes of the data pages after coding.
    public var encodedBytes = 0
    /// Bytes of the payload: header, runs and encoded data; 0 when there is nothing to send.
    public var payloadBytes = 0

    /// Whether there is nothing to send.
    public var isEmpty: Bool { zero + data == 0 }

    /// States a batch that does nothing.
    public init() {}
}

/// Turns pages of guest RAM into the payload of one frame, in memory of its own.
///
/// One per lane, used by one thread at a time. Everything it needs is allocated when it is made;
/// encoding allocates nothing (zstd grows its context in the first batches that use it).
@safe
public struct BatchEncoder: ~Copyable, Sendable {
    private let key: PageHashKey
    private let headerGap: Int
    /// One page for gap, header and runs, then the copies of the data pages.
    private let raw: PageBuffer
    /// One page for gap, header and runs, then the compressed data.
    private let packed: PageBuffer
    private var lz4: LZ4Compressor
    private var zstd: ZstdCompressor
    private var frame: Frame

    /// Where the frame of the last batch lies.
    private struct Frame {
        var isPacked = false
        var offset = 0
        var byteCount = 0
    }

    /// Allocates what a lane needs, about 2 MiB with zstd in use.
    /// - Parameters:
    ///   - key: the migration's hash key.
    ///   - headerGap: bytes left free before the payload for the frame header, at most
    ///     `BatchLimits.headerGap`.
    ///   - zstdLevel: 1 to 19.
    /// - Throws: `E-RANGE` for a parameter out of range, `E-RESOURCE` without memory.
    public init(
        key: PageHashKey, headerGap: Int = 32, zstdLevel: Int = 1
    ) throws(LivemigError) {
        guard (0...BatchLimits.headerGap).contains(headerGap) else {
            throw LivemigError(.range, "header gap of \(headerGap) bytes")
        }
        let bound = max(
            LZ4Compressor.bound(BatchLimits.encodedBytes),
            ZstdCompressor.bound(BatchLimits.encodedBytes))
        zstd = try ZstdCompressor(level: zstdLevel)
        self.key = key
        self.headerGap = headerGap
        lz4 = LZ4Compressor()
        raw = PageBuffer(pages: 1 + BatchLimits.pages)
        packed = PageBuffer(pages: 2 + bound / PageGeometry.pageSize)
        frame = Frame()
    }

    /// Encodes the pages that differ from what was last sent, and notes their hashes as sent.
    ///
    /// The guest may write meanwhile: each page is copied once, and the copy is what is tested,
    /// hashed and sent. A write that the copy missed is in the next harvest, which must be taken
    /// after the one that named these pages.
    /// - Parameters:
    ///   - pages: page numbers, strictly ascending, at most `BatchLimits.pages`.
    ///   - round: the round the batch belongs to.
    ///   - memory: guest RAM from page 0 on, at least as long as the table says.
    ///   - table: the hashes of what was last sent.
    ///   - digest: this lane's partial digest.
    ///   - codec: what to try on the data pages.
    /// - Throws: `tooManyPages`, `order`, `pageRange` or `memorySize`; table and digest are then
    ///   untouched.
    public mutating func encode(
        _ pages: Span<UInt64>, round: UInt32, memory: UnsafeRawBufferPointer,
        table: borrowing PageHashTable, digest: inout ImageDigest, codec: Codec
    ) throws(BatchError) -> EncodedBatch {
        try unsafe check(pages, memory: memory, table: table)
        frame = Frame()
        var batch = EncodedBatch()
        guard let base = memory.baseAddress else { return batch }
        var list = RunList()
        for index in pages.indices {
            let page = pages[index]
            let (kind, hash) = unsafe read(page, from: base, slot: batch.data)
            let sent = table[page]
            guard hash != sent else {
                batch.unchanged += 1
                continue
            }
            table[page] = hash
            digest.replace(page: page, old: sent, new: hash)
            list.append(page, kind)
            switch kind {
            case .zero: batch.zero += 1
            case .data: batch.data += 1
            }
        }
        guard !batch.isEmpty else { return batch }
        pack(&batch, codec)
        seal(&batch, round: round, list)
        return batch
    }

    /// Lends the frame of the last batch: the header gap, then the payload.
    ///
    /// Empty when the last batch had nothing to send.
    public mutating func withFrame<Result, Failure: Error>(
        _ body: (inout MutableRawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = unsafe (frame.isPacked ? packed.start : raw.start) + frame.offset
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: start, count: frame.byteCount)
        var span = unsafe buffer.mutableBytes
        return try body(&span)
    }

    // MARK: Steps

    private func check(
        _ pages: Span<UInt64>, memory: UnsafeRawBufferPointer, table: borrowing PageHashTable
    ) throws(BatchError) {
        guard pages.count <= BatchLimits.pages else { throw .tooManyPages }
        guard memory.count / PageGeometry.pageSize >= table.pageCount else { throw .memorySize }
        var next: UInt64 = 0
        for index in pages.indices {
            let page = pages[index]
            guard page < UInt64(table.pageCount) else { throw .pageRange }
            guard page >= next else { throw .order }
            next = page + 1
        }
    }

    /// Copies a page to its slot unless it is zero, and hashes what will be sent.
    @inline(__always)
    private func read(
        _ page: UInt64, from base: UnsafeRawPointer, slot: Int
    ) -> (PageKind, UInt64) {
        let size = PageGeometry.pageSize
        let source = unsafe base + Int(page) * size
        if unsafe isZeroPage(source) { return (.zero, key.zeroPage(page)) }
        let copy = unsafe raw.start + (1 + slot) * size
        unsafe copy.copyMemory(from: source, byteCount: size)
        let hash = unsafe key.hash(at: copy, page: page)
        // The guest may have cleared the page between the test and the copy.
        return (hash == key.zeroPage(page) ? .zero : .data, hash)
    }

    /// Compresses the data pages if that makes them smaller.
    private mutating func pack(_ batch: inout EncodedBatch, _ codec: Codec) {
        batch.rawBytes = batch.data * PageGeometry.pageSize
        batch.encodedBytes = batch.rawBytes
        guard batch.data > 0, codec != .none else { return }
        let source = unsafe UnsafeRawBufferPointer(
            start: raw.start + PageGeometry.pageSize, count: batch.rawBytes)
        let target = unsafe UnsafeMutableRawBufferPointer(
            start: packed.start + PageGeometry.pageSize,
            count: packed.byteCount - PageGeometry.pageSize)
        let written =
            switch codec {
            case .none: Int?.none
            case .lz4: unsafe lz4.compress(source, into: target)
            case .zstd: unsafe zstd.compress(source, into: target)
            }
        guard let written, written < batch.rawBytes else { return }
        batch.codec = codec
        batch.encodedBytes = written
    }

    /// Writes runs and header right before the data, leaving the gap before them.
    private mutating func seal(
        _ batch: inout EncodedBatch, round: UInt32, _ list: borrowing RunList
    ) {
        let header = BatchHeader(
            round: round, codec: batch.codec, runCount: UInt16(list.count),
            dataPages: UInt16(batch.data), encodedBytes: UInt32(batch.encodedBytes))
        let payloadOffset = PageGeometry.pageSize - header.dataOffset
        let isPacked = batch.codec != .none
        let payload = unsafe (isPacked ? packed.start : raw.start) + payloadOffset
        unsafe header.write(to: payload)
        unsafe list.write(to: payload + BatchLayout.headerBytes)
        batch.payloadBytes = header.dataOffset + batch.encodedBytes
        frame = Frame(
            isPacked: isPacked, offset: payloadOffset - headerGap,
            byteCount: headerGap + batch.payloadBytes)
    }
}

/// The runs of a batch, consecutive pages of one kind joined.
private struct RunList {
    private var runs = RunArray(repeating: .none)
    private(set) var count = 0

    init() {}

    /// Adds a page beyond all pages so far; at most `BatchLimits.runs` times.
    @inline(__always)
    mutating func append(_ page: UInt64, _ kind: PageKind) {
        if count > 0 {
            let last = runs[count - 1]
            if last.kind == kind, last.first + UInt64(last.count) == page {
                runs[count - 1].count += 1
                return
            }
        }
        runs[count] = PageRun(first: page, count: 1, kind: kind)
        count += 1
    }

    func write(to start: UnsafeMutableRawPointer) {
        for index in 0..<count {
            unsafe runs[index].write(to: start + index * BatchLayout.runBytes)
        }
    }
}
