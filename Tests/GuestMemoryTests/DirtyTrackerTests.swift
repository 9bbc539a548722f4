import CLinux
import Glibc
import GuestMemory
import LinuxSystem
import MigrationModel
import Synchronization
import TestSupport
import Testing

/// Write tracking of memory that this process maps itself.
///
/// A hypervisor's is tested beside the reference guest. Needs root or the permission to use
/// userfaultfd, and Linux 6.7.
@Suite(.serialized) struct DirtyTrackerTests {
    /// Guest RAM that this process writes and tracks.
    final class Memory: Sendable {
        let file: GuestMemoryFile
        let mapping: GuestMapping

        init(pages: Int) throws {
            file = try GuestMemoryFile.create(size: ByteCount(UInt64(pages) * 4096))
            mapping = try GuestMapping(file, .write)
        }

        func word(_ page: Int, _ index: Int = 0) -> UInt64 {
            unsafe mapping.address.load(fromByteOffset: page * 4096 + index * 8, as: UInt64.self)
        }

        func set(_ page: Int, _ index: Int = 0, to value: UInt64) {
            unsafe mapping.address.storeBytes(
                of: value, toByteOffset: page * 4096 + index * 8, as: UInt64.self)
        }

        func copyPage(_ page: Int, from other: Memory) {
            unsafe (mapping.address + page * 4096).copyMemory(
                from: other.mapping.address + page * 4096, byteCount: 4096)
        }

        func track() throws -> DirtyTracker {
            let address = UInt64(UInt(bitPattern: unsafe mapping.address))
            let length = UInt64(mapping.byteCount)
            let number = try SystemCall.checkNegated("userfaultfd, which these tests need") {
                clinux_tracking_start(-1, address, length)
            }
            return try DirtyTracker(
                TrackingRegistration(
                    userfault: OwnedDescriptor(owning: number), process: getpid(),
                    address: address, length: length), pageCount: file.pageCount)
        }
    }

    private static func harvest(_ tracker: inout DirtyTracker, _ count: Int) throws -> [Range<Int>]
    {
        var pages = PageBitmap(pageCount: count)
        try tracker.harvest(into: &pages)
        return pages.runs
    }

    /// Breaks when a harvest misses a written page, reports one that was not written, or reports a
    /// page again without a new write; and when reading counts as writing.
    @Test func reportsExactlyWhatWasWritten() throws {
        let count = 2048
        let memory = try Memory(pages: count)
        for page in stride(from: 0, to: count, by: 3) { memory.set(page, to: 1) }
        var tracker = try memory.track()
        _ = try Self.harvest(&tracker, count)
        #expect(try Self.harvest(&tracker, count) == [])

        var random = Seeded(7)
        for round in 0..<50 {
            var written: Set<Int> = []
            for _ in 0..<Int.random(in: 0...200, using: &random) {
                let page = Int.random(in: 0..<count, using: &random)
                memory.set(page, Int.random(in: 0..<512, using: &random), to: UInt64(round))
                written.insert(page)
            }
            _ = memory.word(Int.random(in: 0..<count, using: &random))
            let found = try Self.harvest(&tracker, count)
            #expect(found.flatMap(Array.init) == written.sorted(), "round \(round)")
        }
    }

    /// Breaks when a page written twice while protected is lost or stays dirty for ever.
    @Test func reportsAPageOnceForManyWrites() throws {
        let memory = try Memory(pages: 64)
        var tracker = try memory.track()
        _ = try Self.harvest(&tracker, 64)
        for value in 0..<100 { memory.set(33, to: UInt64(value)) }
        #expect(try Self.harvest(&tracker, 64) == [33..<34])
        #expect(try Self.harvest(&tracker, 64) == [])
    }

    /// Breaks when more runs than one system call reports are cut off.
    @Test func reportsMoreRunsThanOneScanHolds() throws {
        let count = 20_000
        let memory = try Memory(pages: count)
        var tracker = try memory.track()
        _ = try Self.harvest(&tracker, count)
        for page in stride(from: 1, to: count, by: 2) { memory.set(page, to: 1) }
        let found = try Self.harvest(&tracker, count)
        #expect(found == stride(from: 1, to: count, by: 2).map { $0..<$0 + 1 })
    }

    /// Breaks when a write through the kernel (read(2) into guest RAM) is not seen.
    @Test func seesWritesByTheKernel() throws {
        let memory = try Memory(pages: 64)
        var tracker = try memory.track()
        _ = try Self.harvest(&tracker, 64)
        let zeros = try OwnedDescriptor.open("/dev/zero", O_RDONLY)
        #expect(unsafe read(zeros.number, memory.mapping.address + 20 * 4096 + 1, 5000) == 5000)
        #expect(try Self.harvest(&tracker, 64) == [20..<22])
    }

    /// Breaks when a write that falls into a harvest is lost: pages are copied after every harvest
    /// that names them, as a move does, and in the end the copy must equal the memory.
    @Test func losesNoWriteDuringAHarvest() throws {
        let count = 512
        let memory = try Memory(pages: count)
        var tracker = try memory.track()
        let goOn = StopFlag()
        let writers = (0..<2).map { writer in
            WorkerThread("test-writer") { () -> UInt64 in
                var random = Seeded(UInt64(writer))
                var written: UInt64 = 0
                while goOn.value.load(ordering: .relaxed) {
                    let page = Int.random(in: 0..<count / 2, using: &random) * 2 + writer
                    written += 1
                    memory.set(page, Int(written % 512), to: written)
                }
                return written
            }
        }
        let copy = try Memory(pages: count)
        var dirty = PageBitmap(pageCount: count)
        func copyDirtyPages() throws -> Int {
            dirty.removeAll()
            try tracker.harvest(into: &dirty)
            for page in dirty.runs.joined() {
                copy.copyPage(page, from: memory)
            }
            return dirty.count
        }
        var copied = 0
        for _ in 0..<400 { copied += try copyDirtyPages() }
        goOn.value.store(false, ordering: .relaxed)
        for writer in writers { #expect(try writer.join() > 1000) }
        #expect(copied > count)
        _ = try copyDirtyPages()
        let stale = (0..<count).filter { page in
            (0..<512).contains { copy.word(page, $0) != memory.word(page, $0) }
        }
        #expect(stale == [])
        #expect(try Self.harvest(&tracker, count) == [])
    }

    final class StopFlag: Sendable { let value = Atomic<Bool>(true) }

    /// Breaks when tracking goes on without the registration that protects the pages.
    @Test func failsWhenTheRangeIsNotRegistered() throws {
        let memory = try Memory(pages: 16)
        let pair = try OwnedDescriptor.pipe()
        let number = try pair.first.duplicate().release()
        var tracker = try DirtyTracker(
            TrackingRegistration(
                userfault: OwnedDescriptor(owning: number), process: getpid(),
                address: UInt64(UInt(bitPattern: unsafe memory.mapping.address)),
                length: UInt64(memory.mapping.byteCount)), pageCount: 16)
        #expect(throws: LivemigError.self) { _ = try Self.harvest(&tracker, 16) }
    }

    /// Breaks when a registration over something else than guest RAM is accepted.
    @Test func refusesARegistrationOfAnotherSize() throws {
        let number = try OwnedDescriptor.pipe().release().first
        let error = #expect(throws: LivemigError.self) {
            _ = try DirtyTracker(
                TrackingRegistration(
                    userfault: OwnedDescriptor(owning: number), process: getpid(), address: 4096,
                    length: 4096), pageCount: 2)
        }
        #expect(error?.code == .preload)
    }
}
