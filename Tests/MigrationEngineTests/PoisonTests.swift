import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing

@testable import GuestMemory
@testable import MigrationEngine

@Suite("Memory that cannot be read")
struct PoisonTests {
    // Broken by: a page that cannot be read, sent as zeros or passed over, or a signal that ends the
    // agent without a word.
    @Test("a lane that meets it fails the move with E-POISON", .timeLimit(.minutes(1)))
    func lane() throws {
        let folder = try ScratchFolder()
        let file = try OwnedDescriptor.open(folder.path("ram"), O_RDWR | O_CREAT)
        try #require(ftruncate(file.number, 16 * 4096) == 0)
        let noise = (0..<16 * 4096).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) | 1 }
        try DescriptorIO.write(noise, to: file.number)
        let memory = GuestMemoryFile(descriptor: file, size: ByteCount(16 * 4096))
        let image = try SourceImage(memory, key: PageHashKey(secret: 1))
        // Unlike guest RAM this file is not sealed; beyond its end it is as poisoned memory is.
        try #require(ftruncate(memory.descriptor.number, 8 * 4096) == 0)

        let board = RoundBoard(pageCount: 16, lanes: 1)
        let (near, far) = try UnixSocket.pair(.stream).release()
        let sender = WorkerThread("send") {
            do throws(LivemigError) {
                var channel = FrameChannel(
                    try DescriptorChannel(socket: OwnedDescriptor(owning: near)), at: "peer")
                var sender = try LaneSender(
                    lane: 0, board: board, image: image, compression: .none,
                    limiter: BandwidthLimiter(nil))
                try sender.run(on: &channel)
            } catch {
                board.fail(error)
                throw error
            }
        }
        let drain = WorkerThread("drain") {
            let end = OwnedDescriptor(owning: far)
            while try !DescriptorIO.readAvailable(upTo: 65536, from: end.number).isEmpty {}
        }
        var dirty = PageBitmap(pageCount: 16)
        dirty.insert(0..<16)
        try board.start(0, &dirty)
        let error = failure { _ = try board.waitUntilSent() }
        #expect(error?.code == .poison, "\(error as Any)")
        #expect(error?.what.contains("page 8 ") == true, "\(error as Any)")
        #expect(throws: LivemigError.self) { try sender.join() }
        try? drain.join()
    }
}
