import Glibc
import Journal
import LinuxSystem
import MigrationModel
import Ownership
import TestSupport
import Testing

@Suite("The record on its medium")
struct JournalTests {
    static let attempt = Samples.attempt
    static let first = Right.owner(Epoch(6), nil)
    static let second = Right.intent(attempt)

    // Broken by: a record that is not on the medium when `write` returns, or not the last one.
    @Test func everyRightIsReadBackAfterReopening() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        #expect(try Journal.peek(path) == nil)
        for right in Samples.rights {
            do {
                var journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
                try journal.write(right, peer: "beta")
                #expect(journal.record.right == right)
            }
            let journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
            #expect(journal.record.right == right)
            #expect(journal.record.peer == "beta")
            #expect(try Journal.peek(path)?.right == right)
        }
    }

    // Broken by: a right to run that somebody else can write, or has prepared under another name.
    @Test("a record that is not ours alone is refused", arguments: [0o640, 0o602, 0] as [mode_t])
    func exposed(mode: mode_t) throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        do { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        if mode == 0 {
            try #require(unsafe link(path, folder.path("second")) == 0)
        } else {
            try #require(unsafe chmod(path, mode) == 0)
        }
        for open in [true, false] {
            let error = #expect(throws: LivemigError.self) {
                if open {
                    _ = try Journal(openingOrCreating: path, uuid: Samples.uuid)
                } else {
                    _ = try Journal.peek(path)
                }
            }
            #expect(error?.code == .journal)
        }
    }

    // Broken by: a new record that claims the VM, or a file that others can read.
    @Test func aNewRecordIsNoneAndPrivate() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        let journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
        #expect(journal.record.right == .none)
        #expect(journal.record.uuid == Samples.uuid)
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(status.st_size == 8192)
    }

    // Broken by: writing over the slot that counts, which a torn write would then destroy.
    @Test func slotsAreWrittenInTurn() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        var journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
        var before = try Self.read(path)
        for number in 1...6 {
            try journal.write(.owner(Epoch(UInt64(number)), nil))
            let after = try Self.read(path)
            let changed = number % 2
            #expect(Self.slot(before, 1 - changed) == Self.slot(after, 1 - changed))
            #expect(Self.slot(before, changed) != Self.slot(after, changed))
            before = after
        }
    }

    // Broken by: a write torn at any sector leaving anything but the old record or the new one.
    @Test("a torn write leaves the old record or the new", arguments: [false, true])
    func torn(tailFirst: Bool) throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        var journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
        try journal.write(Self.first)
        let old = try Self.read(path)
        try journal.write(Self.second)
        let new = try Self.read(path)
        let copy = folder.path("copy")
        for boundary in stride(from: 0, through: 8192, by: 512) {
            let torn =
                tailFirst
                ? old.prefix(boundary) + new.dropFirst(boundary)
                : new.prefix(boundary) + old.dropFirst(boundary)
            try Self.write(Array(torn), to: copy)
            let found = try Journal(openingOrCreating: copy, uuid: Samples.uuid).record.right
            #expect(found == Self.first || found == Self.second, "at \(boundary)")
        }
    }

    // Broken by: guessing a record when neither slot can be trusted.
    @Test func bothSlotsDamaged() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        do {
            var journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
            try journal.write(Self.first)
        }
        var bytes = try Self.read(path)
        bytes[100] ^= 1
        try Self.write(bytes, to: path)
        #expect(try Journal(openingOrCreating: path, uuid: Samples.uuid).record.right == Self.first)
        bytes[4096 + 100] ^= 1
        try Self.write(bytes, to: path)
        expect(.journalCorrupt) { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        expect(.journalCorrupt) { _ = try Journal.peek(path) }
        try Self.write([UInt8](repeating: 0, count: 8192), to: path)
        expect(.journalCorrupt) { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        #expect(try Self.read(path).allSatisfy { $0 == 0 }, "a damaged record was written over")
    }

    // Broken by: a power cut while the record was created locking the VM out for good.
    @Test("a creation that was cut short is done again", arguments: [0, 1, 512, 4095, 4096])
    func creationCutShort(size: Int) throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        do { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        let bytes = try Self.read(path)
        try Self.write(Array(bytes.prefix(size)), to: path)
        #expect(try Journal.peek(path) == nil)
        #expect(try Journal(openingOrCreating: path, uuid: Samples.uuid).record.right == .none)
        #expect(try Journal.peek(path)?.right == Right.none)
    }

    // Broken by: formatting a record that was in use and has lost its end.
    @Test func aRecordInUseThatLostItsEndIsNotReplaced() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        do {
            var journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
            try journal.write(Self.first)
            try journal.write(Self.second)
        }
        try Self.write(Array(try Self.read(path).prefix(4096)), to: path)
        expect(.journalCorrupt) { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
    }

    // Broken by: a record of one VM steering another of the same name.
    @Test func anotherVM() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        do { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        expect(.journalCorrupt) { _ = try Journal(openingOrCreating: path, uuid: .random()) }
    }

    // Broken by: two writers, in this process or in another, of which one works on an old record.
    @Test func oneWriterAtATime() throws {
        let folder = try ScratchFolder()
        let path = folder.path("ownership")
        do {
            let journal = try Journal(openingOrCreating: path, uuid: Samples.uuid)
            expect(.busy) { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
            #expect(try Journal.peek(path)?.right == journal.record.right)
        }
        let pipe = try OwnedDescriptor.pipe()
        let holder = try ChildProcess(
            .init(
                "/usr/bin/flock", ["-x", path, "-c", "echo locked; exec sleep 60"],
                environment: ["PATH": "/usr/bin:/bin"], descriptors: [1: pipe.second.number]))
        _ = try Poll.wait([.init(pipe.first.number)], timeout: .seconds(10))
        expect(.busy) { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        holder.end()
    }

    // Broken by: following a link that somebody put in the record's place.
    @Test func aLinkIsNotFollowed() throws {
        let folder = try ScratchFolder()
        #expect(unsafe symlink(folder.path("elsewhere"), folder.path("ownership")) == 0)
        expect(.journal) {
            _ = try Journal(openingOrCreating: folder.path("ownership"), uuid: Samples.uuid)
        }
        #expect(unsafe access(folder.path("elsewhere"), F_OK) != 0)
    }

    // Broken by: a record on a file system that forgets it, or a file left there by the refusal.
    @Test func aVolatileFileSystemIsRefused() throws {
        // tmpfs on every Linux (shm_open(3)).
        let folder = "/dev/shm/livemig-\(UInt64.random(in: .min ... .max).hexadecimal)"
        #expect(unsafe mkdir(folder, 0o700) == 0)
        defer { _ = unsafe rmdir(folder) }
        let path = folder + "/ownership"
        expect(.journal) { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid) }
        #expect(unsafe access(path, F_OK) != 0)
        do { _ = try Journal(openingOrCreating: path, uuid: Samples.uuid, on: .any) }
        #expect(unsafe unlink(path) == 0)
    }

    // Broken by: a folder that cannot be synced because its path was put together wrongly.
    @Test func aRelativePath() throws {
        let folder = try ScratchFolder()
        let here = unsafe open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { _ = close(here) }
        let up = String(repeating: "../", count: 32)
        let path = up + folder.path("ownership").dropFirst()
        #expect(try Journal(openingOrCreating: path, uuid: Samples.uuid).record.right == .none)
    }

    static func slot(_ bytes: [UInt8], _ index: Int) -> ArraySlice<UInt8> {
        bytes[index * 4096..<(index + 1) * 4096]
    }

    static func read(_ path: String) throws -> [UInt8] {
        let file = try OwnedDescriptor.open(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 8192)
        let number = file.number
        let count = try unsafe bytes.withUnsafeMutableBytes {
            try unsafe DescriptorIO.readFully(into: $0, from: number)
        }
        return Array(bytes.prefix(count))
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        try DescriptorIO.write(bytes, to: file.number)
    }

    private func expect(
        _ code: ErrorCode, location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
        let error = #expect(throws: LivemigError.self, sourceLocation: location) { try body() }
        #expect(error?.code == code, sourceLocation: location)
    }
}
