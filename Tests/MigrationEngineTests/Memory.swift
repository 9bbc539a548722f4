import Glibc
import GuestMemory
import MigrationModel
import WireProtocol

/// Guest RAM reached through its file, as nobody's page tables see it.
enum Memory {
    /// Writes at the start of a page.
    static func write(_ bytes: [UInt8], to descriptor: CInt, page: Int) throws(LivemigError) {
        let offset = off_t(page) * off_t(GuestMemoryFile.pageSize)
        guard unsafe pwrite(descriptor, bytes, bytes.count, offset) == bytes.count else {
            throw LivemigError(.io, "cannot write page \(page)")
        }
    }

    /// How many pages are allocated.
    static func populated(_ file: borrowing GuestMemoryFile) throws(LivemigError) -> Int {
        var pages = PageBitmap(pageCount: file.pageCount)
        try file.addPopulatedPages(to: &pages)
        return pages.count
    }

    /// The end of a first round without batches, as the first frame of a lane.
    static let roundEnd = RoundEnd(round: 0, batches: 0).frame(sequence: 0)

    /// A batch of the round after it.
    static var lateBatch: [UInt8] {
        let payload = Hostility.batch(round: 1)
        let head = unsafe FrameHeader(type: .batch, payload: payload.span.bytes, sequence: 1)
        return head.encoded + payload
    }
}
