import Glibc
import MigrationModel
import PageCodec
import TestSupport

/// Guest RAM of a test: anonymous memory that the kernel fills with zeros on first touch.
@safe
struct GuestImage: ~Copyable {
    let pages: Int
    private let start: UnsafeMutableRawPointer

    init(pages: Int) throws {
        let mapping = unsafe mmap(
            nil, pages * PageGeometry.pageSize, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw LivemigError(.resource, "mmap failed")
        }
        // Huge pages would make one touched page look like 512.
        _ = unsafe madvise(mapping, pages * PageGeometry.pageSize, MADV_NOHUGEPAGE)
        unsafe start = mapping
        self.pages = pages
    }

    deinit { _ = unsafe munmap(start, pages * PageGeometry.pageSize) }

    var memory: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: start, count: pages * PageGeometry.pageSize)
    }

    func bytes(of page: UInt64) -> [UInt8] {
        let from = Int(page) * PageGeometry.pageSize
        return unsafe Array(memory[from..<from + PageGeometry.pageSize])
    }

    func set(_ page: UInt64, _ content: [UInt8]) {
        let from = Int(page) * PageGeometry.pageSize
        for (index, byte) in content.enumerated() { unsafe memory[from + index] = byte }
    }

    func isEqual(to other: borrowing GuestImage) -> Bool {
        let count = pages * PageGeometry.pageSize
        guard pages == other.pages else { return false }
        return unsafe memcmp(start, other.start, count) == 0
    }

    /// Pages that have memory behind them (mincore(2)).
    func residentPages() -> Int {
        var flags = [UInt8](repeating: 0, count: pages)
        let result = unsafe mincore(start, pages * PageGeometry.pageSize, &flags)
        return result == 0 ? flags.count { $0 & 1 == 1 } : -1
    }
}

/// Kinds of content a guest page may have.
enum Content: CaseIterable {
    case zero, lastByte, text, random

    func page(_ random: inout Seeded) -> [UInt8] {
        let size = PageGeometry.pageSize
        switch self {
        case .zero: return [UInt8](repeating: 0, count: size)
        case .lastByte: return [UInt8](repeating: 0, count: size - 1) + [UInt8(random.next() | 1)]
        case .text:
            let words = ["guest ", "host ", "round ", "dirty ", "page\n"]
            var text: [UInt8] = []
            while text.count < size { text += words[Int(random.next() % 5)].utf8 }
            return Array(text.prefix(size))
        case .random: return (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
    }
}

extension UInt8 {
    fileprivate init(_ word: UInt64) { self.init(truncatingIfNeeded: word) }
}

/// A source and a destination with one lane between them.
final class Pair {
    let key: PageHashKey
    let pages: Int
    let source: GuestImage
    var destination: GuestImage
    let sent: PageHashTable
    var placed: PageHashTable
    var sentDigest = ImageDigest()
    var placedDigest = ImageDigest()
    private var encoder: BatchEncoder
    private var decoder: BatchDecoder

    init(pages: Int, secret: UInt64 = 0x5EC2E7) throws {
        key = PageHashKey(secret: secret)
        self.pages = pages
        source = try GuestImage(pages: pages)
        destination = try GuestImage(pages: pages)
        sent = try PageHashTable(pageCount: pages)
        placed = try PageHashTable(pageCount: pages)
        encoder = try BatchEncoder(key: key)
        decoder = try BatchDecoder(key: key)
    }

    /// Encodes pages and returns the payload, without the header gap.
    func encode(
        _ pages: [UInt64], _ codec: Codec, round: UInt32 = 0
    ) throws(BatchError) -> (batch: EncodedBatch, payload: [UInt8]) {
        let batch = try unsafe encoder.encode(
            pages.span, round: round, memory: UnsafeRawBufferPointer(source.memory), table: sent,
            digest: &sentDigest, codec: codec)
        let payload = encoder.withFrame { frame in
            unsafe frame.bytes.withUnsafeBytes { unsafe Array($0.dropFirst(32)) }
        }
        return (batch, payload)
    }

    @discardableResult
    func decode(_ payload: [UInt8], round: UInt32 = 0) throws(BatchError) -> DecodedBatch {
        try unsafe decoder.decode(
            payload.span.bytes, round: round, into: destination.memory, table: placed,
            digest: &placedDigest)
    }

    /// Whether both hosts hold the same memory.
    var isSame: Bool { source.isEqual(to: destination) }

    /// Puts an untouched destination in place of the present one.
    func resetDestination() throws {
        destination = try GuestImage(pages: pages)
        placed = try PageHashTable(pageCount: pages)
        placedDigest = ImageDigest()
    }

    func fill(_ pages: some Sequence<UInt64>, seed: UInt64) {
        var random = Seeded(seed)
        for page in pages {
            let kind = Content.allCases[Int(random.next() % UInt64(Content.allCases.count))]
            source.set(page, kind.page(&random))
        }
    }
}
