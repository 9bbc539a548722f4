import Glibc
import Journal
import MigrationModel
import TestSupport
import Testing

@Suite("What a host remembers beside its records")
struct RightMemoryTests {
    private let folder: ScratchFolder
    private var path: String { folder.path("ownership") }

    init() throws { folder = try ScratchFolder() }

    private func open() throws(LivemigError) -> Journal {
        try Journal(
            openingOrCreating: path, uuid: Samples.uuid, on: .any, memories: folder.path)
    }

    private func peek() throws(LivemigError) -> Right? {
        try Journal.peek(path, uuid: Samples.uuid, memories: folder.path)?.right
    }

    private func write(_ rights: Right...) throws {
        var journal = try open()
        for right in rights { try journal.write(right) }
        try journal.remember()
        journal.unlock()
    }

    private func expectStale(_ body: () throws -> Void) {
        let error = #expect(throws: LivemigError.self) { try body() }
        #expect(error?.code == .staleRecord)
    }

    // Broken by: a record from a backup that is believed, read or written.
    @Test("a record that comes back is found out")
    func backup() throws {
        try write(.owner(Epoch(6), nil))
        let old = try JournalTests.read(path)
        try write(.intent(Samples.attempt), .gone(Samples.attempt))
        #expect(try peek() == .gone(Samples.attempt))
        try JournalTests.write(old, to: path)
        expectStale { _ = try peek() }
        expectStale { _ = try open() }
        #expect(try Journal.peek(path)?.right == .owner(Epoch(6), nil), "it is left alone")
    }

    // Broken by: a record that was lost, and is made anew as if the host never had the VM.
    @Test("a record that is missing is found out")
    func missing() throws {
        try write(.owner(Epoch(6), nil))
        #expect(unsafe unlink(path) == 0)
        expectStale { _ = try peek() }
        expectStale { _ = try open() }
    }

    // Broken by: a crash before the memory is written, after which the VM can be started nowhere.
    @Test("a record ahead of the memory counts, and is remembered then")
    func ahead() throws {
        try write(.owner(Epoch(6), nil))
        do {
            var bare = try Journal(openingOrCreating: path, uuid: Samples.uuid, on: .any)
            try bare.write(.intent(Samples.attempt))
        }
        #expect(try RightMemory.peek(Samples.uuid, in: folder.path) == .owner(Epoch(6), nil))
        #expect(try peek() == .intent(Samples.attempt))
        let found = try open().record.right
        #expect(found == .intent(Samples.attempt))
        #expect(try RightMemory.peek(Samples.uuid, in: folder.path) == .intent(Samples.attempt))
    }

    // Broken by: a VM that was removed and comes back with its folder, or one that begins anew at an
    // epoch that it had before.
    @Test("a VM that was removed is remembered")
    func removed() throws {
        try write(.owner(Epoch(6), nil))
        try RightMemory.forget(Samples.uuid, .owner(Epoch(6), nil), in: folder.path)
        expectStale { _ = try open() }
        #expect(unsafe unlink(path) == 0)
        let next = try open()
        let right = next.record.right
        #expect(right.epoch == Epoch(6) && right.word == "GONE")
    }

    // Broken by: what is remembered of one VM that counts for another, or what cannot be read that
    // counts for nothing.
    @Test("another VM, and a damaged memory")
    func others() throws {
        try write(.owner(Epoch(6), nil))
        #expect(try RightMemory.peek(.random(), in: folder.path) == nil)
        try JournalTests.write(
            [UInt8](repeating: 7, count: 8192), to: folder.path("\(Samples.uuid)"))
        let error = #expect(throws: LivemigError.self) { _ = try open() }
        #expect(error?.code == .journalCorrupt)
    }
}
