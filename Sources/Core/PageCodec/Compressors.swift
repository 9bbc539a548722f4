internal import CLZ4
internal import CZstd
internal import MigrationModel

/// The working memory of LZ4's compressor, so that a call neither allocates nor uses the stack.
@safe
struct LZ4Compressor: ~Copyable, @unchecked Sendable {
    // @unchecked Sendable is protected by: the owner is unique and its functions are mutating.
    private let state: UnsafeMutableRawPointer

    init() {
        unsafe state = .allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16)
    }

    deinit { unsafe state.deallocate() }

    /// The most bytes that `byteCount` bytes can become.
    static func bound(_ byteCount: Int) -> Int { Int(LZ4_compressBound(Int32(byteCount))) }

    /// Compresses at the fastest ratio; `nil` when the output does not fit.
    mutating func compress(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
        let written = unsafe LZ4_compress_fast_extState(
            state, source.baseAddress, target.baseAddress, Int32(source.count),
            Int32(target.count), 1)
        return written > 0 ? Int(written) : nil
    }
}

/// Decompresses one block to exactly `target.count` bytes; `false` for anything else.
func decompressLZ4(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
) -> Bool {
    let count = unsafe LZ4_decompress_safe(
        source.baseAddress, target.baseAddress, Int32(source.count), Int32(target.count))
    return Int(count) == target.count
}

/// Owns a zstd compression context, reused for every batch of a lane.
@safe
struct ZstdCompressor: ~Copyable, @unchecked Sendable {
    // @unchecked Sendable is protected by: the owner is unique and its functions are mutating.
    private let context: OpaquePointer

    /// - Parameter level: 1 to 19, zstd's own scale.
    init(level: Int) throws(LivemigError) {
        guard (1...19).contains(level) else {
            throw LivemigError(.range, "zstd level \(level)", fix: "use 1 to 19")
        }
        guard let context = unsafe ZSTD_createCCtx() else {
            throw LivemigError(.resource, "no memory for a zstd compressor")
        }
        unsafe self.context = unsafe context
        // All values are within the bounds zstd documents, so none is refused. The window holds a
        // whole batch, so the frame is a single segment, the only form the decoder accepts.
        set(ZSTD_c_compressionLevel, level)
        set(ZSTD_c_windowLog, ZstdFrame.windowLog)
        set(ZSTD_c_contentSizeFlag, 1)
        set(ZSTD_c_checksumFlag, 0)
        set(ZSTD_c_dictIDFlag, 0)
    }

    private func set(_ parameter: ZSTD_cParameter, _ value: Int) {
        let result = unsafe ZSTD_CCtx_setParameter(context, parameter, Int32(value))
        precondition(ZSTD_isError(result) == 0, "zstd refuses a documented parameter")
    }

    deinit { _ = unsafe ZSTD_freeCCtx(context) }

    /// The most bytes that `byteCount` bytes can become.
    static func bound(_ byteCount: Int) -> Int { ZSTD_compressBound(byteCount) }

    /// Compresses into one frame; `nil` when the output does not fit.
    mutating func compress(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Int? {
        let written = unsafe ZSTD_compress2(
            context, target.baseAddress, target.count, source.baseAddress, source.count)
        return ZSTD_isError(written) == 0 ? written : nil
    }
}

/// Owns a zstd decompression context, reused for every batch of a lane.
@safe
struct ZstdDecompressor: ~Copyable, @unchecked Sendable {
    // @unchecked Sendable is protected by: the owner is unique and its functions are mutating.
    private let context: OpaquePointer

    init() throws(LivemigError) {
        guard let context = unsafe ZSTD_createDCtx() else {
            throw LivemigError(.resource, "no memory for a zstd decompressor")
        }
        unsafe self.context = unsafe context
    }

    deinit { _ = unsafe ZSTD_freeDCtx(context) }

    /// Decompresses one frame to exactly `target.count` bytes; `false` for anything else.
    mutating func decompress(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard unsafe ZstdFrame.isAccepted(source, contentSize: target.count) else { return false }
        let count = unsafe ZSTD_decompressDCtx(
            context, target.baseAddress, target.count, source.baseAddress, source.count)
        return ZSTD_isError(count) == 0 && count == target.count
    }
}

/// Which zstd frames a decoder takes from a peer.
enum ZstdFrame {
    /// The window of the compressor: 256 KiB, a whole batch.
    static let windowLog = 18

    /// Whether the bytes are one frame of the form the encoder writes, of the expected size.
    ///
    /// The descriptor (RFC 8878, 3.1.1.1.1) must say: single segment, so the window is the content
    /// and never larger than a batch; no checksum, no dictionary, no unused or reserved bit.
    static func isAccepted(_ source: UnsafeRawBufferPointer, contentSize: Int) -> Bool {
        let (magicBytes, flags, singleSegment) = (4, 0b0011_1111, 0b0010_0000)
        guard source.count > magicBytes,
            unsafe Int(source[magicBytes]) & flags == singleSegment,
            unsafe ZSTD_getFrameContentSize(source.baseAddress, source.count)
                == UInt64(contentSize)
        else { return false }
        return unsafe ZSTD_findFrameCompressedSize(source.baseAddress, source.count)
            == source.count
    }
}
