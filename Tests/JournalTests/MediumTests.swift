import CLinux
import Glibc
import Journal
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// A file system of a few pages, mounted in a scratch folder (tmpfs(5)); it can be made full.
private final class SmallDisk {
    private let scratch: ScratchFolder
    private let pages: Int
    let path: String

    /// Mounts it.
    ///
    /// Needs root.
    init(pages: Int) throws {
        scratch = try ScratchFolder()
        path = scratch.path
        self.pages = pages
        let (folder, options) = (path, "size=\(pages * 4096),mode=0700")
        try SystemCall.check("mount", at: folder) {
            unsafe mount("tmpfs", folder, "tmpfs", UInt(MS_NOSUID), options)
        }
    }

    deinit { _ = unsafe umount2(path, CInt(MNT_DETACH)) }

    /// Uses up what is left of it.
    func fill() throws {
        let file = try OwnedDescriptor.open(path + "/filler", O_WRONLY | O_CREAT)
        let page = [UInt8](repeating: 1, count: 4096)
        for _ in 0...pages where unsafe write(file.number, page, page.count) < 0 {
            try #require(errno == ENOSPC)
            return
        }
        Issue.record("the disk has room for more than it should")
    }

    /// Frees that again.
    func empty() { _ = unsafe unlink(path + "/filler") }
}

@Suite("The record on a medium that fails, and between two writers")
struct MediumTests {
    // Breaks when: a right that is not on the medium counts, the record before it is lost, or a
    // medium that failed once is trusted again.
    @Test func aWriteThatFailsIsFinal() throws {
        let disk = try SmallDisk(pages: 4)
        let path = disk.path + "/ownership"
        var journal = try Journal(openingOrCreating: path, uuid: Samples.uuid, on: .any)
        try journal.write(JournalTests.first)
        try freeNextSlot(of: path, sequence: 2)
        try disk.fill()
        for isFull in [true, false] {
            if !isFull { disk.empty() }
            let error = #expect(throws: LivemigError.self) {
                try journal.write(JournalTests.second)
            }
            #expect(error?.code == .fsync)
            #expect(journal.record.right == JournalTests.first)
            #expect(try Journal.peek(path)?.right == JournalTests.first)
        }
        journal.unlock()
        var next = try Journal(openingOrCreating: path, uuid: Samples.uuid, on: .any)
        try next.write(JournalTests.second)
        #expect(try Journal.peek(path)?.right == JournalTests.second)
    }

    // Breaks when: a writer that has let the next one in can still write over its records.
    @Test func nothingIsWrittenAfterUnlocking() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        var old = try Journal(openingOrCreating: path, uuid: Samples.uuid)
        try old.write(JournalTests.first)
        old.unlock()
        var new = try Journal(openingOrCreating: path, uuid: Samples.uuid)
        #expect(new.record.right == JournalTests.first)
        try new.write(JournalTests.second)
        let error = #expect(throws: LivemigError.self) { try old.write(JournalTests.first) }
        #expect(error?.code == .fsync)
        #expect(try Journal.peek(path)?.right == JournalTests.second)
    }

    /// Makes the slot that is written next take room anew, as on a disk that copies on write.
    private func freeNextSlot(of path: String, sequence: Int) throws {
        let file = try OwnedDescriptor.open(path, O_RDWR)
        let number = file.number
        try SystemCall.checkNegated("fallocate", at: path) {
            clinux_memory_punch(number, UInt64(sequence % 2 * 4096), 4096)
        }
    }
}
