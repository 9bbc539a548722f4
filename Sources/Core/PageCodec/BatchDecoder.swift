public import MigrationModel

/// What one batch placed.
public struct DecodedBatch: Hashable, Sendable {
    /// Pages that are zero now.
    public var zero = 0
    /// Pages that were filled with content.
    public var data = 0
    /// How the content travelled.
    public var codec = Codec.none
    /// Bytes of the content before and after coding.
    public var rawBytes = 0
    /// Bytes of the content as it travelled.
    public var encodedBytes = 0
}

/// Checks batches that came from a peer and places their pages in guest RAM.
///
/// One per lane, used by one thread at a time. Everything is allocated when it is made. No input
/// makes it trap, allocate or write outside the pages the batch names, and a batch that is refused
/// has placed nothing.
@safe
public struct BatchDecoder: ~Copyable, Sendable {
    private let key: PageHashKey
    private let unpacked: PageBuffer
    /// The runs of the batch in progress, checked.
    private var runs: RunArray
    private var zstd: ZstdDecompressor

    /// Allocates what a lane needs, about 512 KiB.
    /// - Throws: `E-RESOURCE` without memory.
    public init(key: PageHashKey) throws(LivemigError) {
        zstd = try ZstdDecompressor()
        self.key = key
        unpacked = PageBuffer(pages: BatchLimits.pages)
        runs = RunArray(repeating: .none)
    }

    /// Places one batch and notes the hashes of what memory then holds.
    ///
    /// A page the table has no hash for has never been touched and reads as zeros, so a zero page
    /// there is only noted: no memory is allocated for it.
    /// - Parameters:
    ///   - payload: the payload of a frame, from a peer that is not trusted.
    ///   - round: the round in progress. A batch of another round is refused, for it would put
    ///     an older page over a newer one.
    ///   - memory: guest RAM from page 0 on, zero wherever the table has no hash, written by
    ///     nobody else at the pages of this batch.
    ///   - table: the hashes of what was placed.
    ///   - digest: this lane's partial digest.
    ///   - write: puts the content of a run of pages into guest RAM, given the run's first page;
    ///     `nil` copies it.
    /// - Throws: what is wrong with the batch, and nothing is placed then; or what `write` throws.
    public mutating func decode(
        _ payload: RawSpan, round: UInt32, into memory: UnsafeMutableRawBufferPointer,
        table: borrowing PageHashTable, digest: inout ImageDigest,
        write: ((UnsafeRawBufferPointer, UInt64) throws(BatchError) -> Void)? = nil
    ) throws(BatchError) -> DecodedBatch {
        guard memory.count / PageGeometry.pageSize >= table.pageCount,
            let base = memory.baseAddress
        else { throw .memorySize }
        let header = try BatchHeader(reading: payload, round: round)
        var batch = try check(payload, header, pageCount: table.pageCount)
        try unpack(payload, header)
        try unsafe payload.withUnsafeBytes { (bytes) throws(BatchError) in
            guard let start = bytes.baseAddress else { return }
            var content = unsafe UnsafeRawPointer(unpacked.start)
            if header.codec == .none { unsafe content = start + header.dataOffset }
            for index in 0..<Int(header.runCount) {
                try unsafe fill(runs[index], &content, in: base, write)
                unsafe note(runs[index], in: base, table, &digest)
            }
        }
        batch.codec = header.codec
        batch.rawBytes = header.rawBytes
        batch.encodedBytes = Int(header.encodedBytes)
        return batch
    }

    // MARK: Steps

    /// Reads all runs, and counts their pages by kind.
    private mutating func check(
        _ payload: RawSpan, _ header: BatchHeader, pageCount: Int
    ) throws(BatchError) -> DecodedBatch {
        var batch = DecodedBatch()
        var next: UInt64 = 0
        for index in 0..<Int(header.runCount) {
            let run = try PageRun(reading: payload, index: index)
            let (end, overflow) = run.first.addingReportingOverflow(UInt64(run.count))
            guard !overflow, end <= UInt64(pageCount) else { throw .pageRange }
            guard run.first >= next else { throw .order }
            next = end
            switch run.kind {
            case .zero: batch.zero += Int(run.count)
            case .data: batch.data += Int(run.count)
            }
            guard batch.zero + batch.data <= BatchLimits.pages else { throw .tooManyPages }
            runs[index] = run
        }
        guard batch.data == Int(header.dataPages) else { throw .dataPageCount }
        return batch
    }

    /// Decompresses the content to memory of its own, where its size is known to be right.
    private mutating func unpack(
        _ payload: RawSpan, _ header: BatchHeader
    ) throws(BatchError) {
        guard header.codec != .none else { return }
        let target = unsafe UnsafeMutableRawBufferPointer(
            start: unpacked.start, count: header.rawBytes)
        let isRight = unsafe payload.withUnsafeBytes { bytes in
            let source = unsafe UnsafeRawBufferPointer(rebasing: bytes[header.dataOffset...])
            return switch header.codec {
            case .none: true
            case .lz4: unsafe decompressLZ4(source, into: target)
            case .zstd: unsafe zstd.decompress(source, into: target)
            }
        }
        guard isRight else { throw .corrupt(header.codec) }
    }

    /// Puts the content of a run into guest RAM; zero pages have none.
    private func fill(
        _ run: PageRun, _ content: inout UnsafeRawPointer, in base: UnsafeMutableRawPointer,
        _ write: ((UnsafeRawBufferPointer, UInt64) throws(BatchError) -> Void)?
    ) throws(BatchError) {
        guard run.kind == .data else { return }
        let size = Int(run.count) * PageGeometry.pageSize
        let bytes = unsafe UnsafeRawBufferPointer(start: content, count: size)
        unsafe content += size
        if let write = unsafe write { return try unsafe write(bytes, run.first) }
        let target = unsafe base + Int(run.first) * PageGeometry.pageSize
        unsafe target.copyMemory(from: bytes.baseAddress ?? content, byteCount: size)
    }

    /// Notes the hashes of what guest RAM holds now, and zeroes pages that held something else.
    private func note(
        _ run: PageRun, in base: UnsafeMutableRawPointer, _ table: borrowing PageHashTable,
        _ digest: inout ImageDigest
    ) {
        let size = PageGeometry.pageSize
        for page in run.first..<run.first + UInt64(run.count) {
            let target = unsafe base + Int(page) * size
            let old = table[page]
            let new: UInt64
            switch run.kind {
            case .zero:
                new = key.zeroPage(page)
                if old != PageHashKey.neverSent, old != new {
                    unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: size)
                }
            case .data: new = unsafe key.hash(at: target, page: page)
            }
            table[page] = new
            digest.replace(page: page, old: old, new: new)
        }
    }
}
