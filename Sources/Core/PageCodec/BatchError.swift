public import MigrationModel

/// Why a batch was not encoded or not placed.
///
/// Nothing was placed when one of these is thrown, but for `noMemory`.
public enum BatchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The payload ends before its own lengths say.
    case truncated
    /// The payload is longer than any batch.
    case tooLong
    /// Bytes follow the encoded data.
    case trailingBytes
    /// The batch belongs to a round that is not the one in progress.
    case wrongRound(UInt32)
    /// The codec byte is none of the known.
    case unknownCodec(UInt8)
    /// The kind byte of a run is none of the known.
    case unknownKind(UInt8)
    /// A reserved field is not zero.
    case reserved
    /// The batch has no runs.
    case empty
    /// The batch has more runs than `BatchLimits.runs`.
    case tooManyRuns
    /// The batch has more pages than `BatchLimits.pages`.
    case tooManyPages
    /// A run has no pages.
    case emptyRun
    /// Pages do not ascend, or two runs overlap.
    case order
    /// A page lies beyond the guest's memory.
    case pageRange
    /// The header's count of data pages is not that of the runs.
    case dataPageCount
    /// The length of the encoded data cannot be that of the data pages.
    case encodedLength
    /// The encoded data does not decode to exactly the data pages.
    case corrupt(Codec)
    /// The memory handed in is smaller than the table says.
    case memorySize
    /// The host has no memory left for a page of the guest.
    case noMemory

    /// What is wrong, in one clause.
    public var description: String {
        switch self {
        case .truncated: "batch ends early"
        case .tooLong: "batch is longer than \(BatchLimits.payloadBytes) bytes"
        case .trailingBytes: "bytes follow the batch"
        case .wrongRound(let round): "batch of round \(round) arrived in another round"
        case .unknownCodec(let code): "unknown codec \(code)"
        case .unknownKind(let code): "unknown page kind \(code)"
        case .reserved: "a reserved field of a batch is set"
        case .empty: "batch without pages"
        case .tooManyRuns: "batch with more than \(BatchLimits.runs) runs"
        case .tooManyPages: "batch with more than \(BatchLimits.pages) pages"
        case .emptyRun: "batch with an empty run"
        case .order: "pages of a batch do not ascend"
        case .pageRange: "batch names a page beyond the guest's memory"
        case .dataPageCount: "data pages of a batch do not match its runs"
        case .encodedLength: "encoded length of a batch does not match its pages"
        case .corrupt(let codec): "batch does not decode as \(codec)"
        case .noMemory: "the host has no memory left for the guest's pages"
        case .memorySize: "the mapped guest memory is smaller than its page table"
        }
    }

    /// The error as users, logs and the peer see it.
    public var livemigError: LivemigError {
        switch self {
        case .pageRange, .order: LivemigError(.wireRange, description)
        case .noMemory: LivemigError(.memory, description)
        case .memorySize: LivemigError(.internal, description)
        default: LivemigError(.wire, description)
        }
    }
}
