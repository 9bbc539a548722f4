import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// The durable record of one VM on one host: two slots written in turn, locked by its one writer.
///
/// A write is `pwrite` and `fdatasync` of the slot that does not count at the moment, so that a
/// crash leaves the old record or the new one. A failed `fdatasync` is final for the file: whether
/// the data reached the medium cannot be found out by trying again.
public struct Journal: ~Copyable, Sendable {
    private let file: OwnedDescriptor
    private let path: String
    private var current: JournalSlot
    private var hasFailed = false

    /// The record as last written.
    public var record: OwnershipRecord { current.record }

    /// Opens a record for writing, or creates it as `none`, and locks it (flock(2)).
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - uuid: the VM of a record that is created.
    ///   - medium: what it may be on.
    /// - Throws: `E-BUSY` when another process is the writer, `E-JOURNAL` for a file that is not this
    ///   user's alone or not on such a medium, `E-JOURNAL-CORRUPT` when neither slot is valid or the
    ///   record is another VM's.
    public init(
        openingOrCreating path: String, uuid: VMUUID, on medium: RecordMedium = .durable
    ) throws(LivemigError) {
        try medium.require(forFolder: Self.folder(of: path))
        let file = try PrivateFile.open(path, O_RDWR | O_CREAT, as: .journal)
        let number = file.number
        if flock(number, LOCK_EX | LOCK_NB) != 0 {
            throw LivemigError(
                .busy, "another process holds the record", at: path,
                fix: "a guardian or another migration of this VM is at work")
        }
        current = try Self.readOrFormat(number, uuid: uuid, path: path)
        self.file = file
        self.path = path
    }

    /// Reads a record without locking it; `nil` when there is none.
    /// - Throws: `E-JOURNAL-CORRUPT` when neither slot is valid.
    public static func peek(_ path: String) throws(LivemigError) -> OwnershipRecord? {
        guard unsafe access(path, F_OK) == 0 else { return nil }
        let file = try PrivateFile.open(path, O_RDONLY, as: .journal)
        let slot = try read(file.number, path: path)
        if try isUnfinished(file.number, slot, path: path) { return nil }
        guard let slot else {
            throw damaged(path)
        }
        return slot.record
    }

    /// Writes a right and returns when it is on the medium.
    ///
    /// - Parameters:
    ///   - right: the new right.
    ///   - peer: the other host, for people; `nil` keeps what is there.
    /// - Throws: `E-RESOURCE` when the medium is full, `E-FSYNC` when it is not certain that it is
    ///   there; every later write fails too.
    public mutating func write(_ right: Right, peer: String? = nil) throws(LivemigError) {
        guard !hasFailed else {
            throw LivemigError(.fsync, "the record's medium has failed before", at: path)
        }
        var record = current.record
        record.right = right
        record.peer = peer ?? record.peer
        record.time = UInt64(max(0, time(nil)))
        let slot = JournalSlot(sequence: current.sequence &+ 1, record: record)
        do throws(LivemigError) {
            try Self.write(slot, to: file.number, path: path)
        } catch {
            hasFailed = true
            throw error
        }
        current = slot
    }

    /// Lets the next writer in, before this process tells anybody that it is done.
    ///
    /// Nothing may be written after it.
    public mutating func unlock() {
        hasFailed = true
        _ = flock(file.number, LOCK_UN)
    }

    private static func write(
        _ slot: JournalSlot, to file: CInt, path: String
    ) throws(LivemigError) {
        let bytes = slot.encoded
        let offset = off_t(slot.sequence % 2) * off_t(JournalSlot.size)
        let written = try SystemCall.check("pwrite", at: path, as: .fsync) {
            unsafe pwrite(file, bytes, bytes.count, offset)
        }
        guard written == bytes.count else {
            throw LivemigError(.fsync, "pwrite: \(written) of \(bytes.count) bytes", at: path)
        }
        try SystemCall.check("fdatasync", at: path, as: .fsync) { fdatasync(file) }
    }

    private static func readOrFormat(
        _ file: CInt, uuid: VMUUID, path: String
    ) throws(LivemigError) -> JournalSlot {
        let found = try read(file, path: path)
        if try isUnfinished(file, found, path: path) {
            let record = OwnershipRecord(uuid: uuid, right: .none, peer: "", time: 0)
            let slot = JournalSlot(sequence: 0, record: record)
            try format(file, with: slot, path: path)
            return slot
        }
        guard let slot = found else {
            throw damaged(path)
        }
        guard slot.record.uuid == uuid else {
            throw LivemigError(
                .journalCorrupt, "the record is of VM \(slot.record.uuid)", at: path)
        }
        return slot
    }

    private static func damaged(_ path: String) -> LivemigError {
        LivemigError(
            .journalCorrupt, "neither slot of the record is valid", at: path,
            fix: "nothing is guessed: start the VM nowhere else before you have seen whether it "
                + "runs on this host; livemig status says what the other hosts know")
    }

    /// Whether the file's creation was cut short: it gets its full size last, and nothing but the
    /// first record, which is `none`, is written before.
    private static func isUnfinished(
        _ file: CInt, _ slot: JournalSlot?, path: String
    ) throws(LivemigError) -> Bool {
        let size = try SystemCall.check("lseek", at: path, as: .journal) {
            lseek(file, 0, SEEK_END)
        }
        guard size < 2 * JournalSlot.size else { return false }
        guard let slot else { return true }
        guard slot.sequence == 0 else {
            throw LivemigError(.journalCorrupt, "the record has lost its end", at: path)
        }
        return true
    }

    private static func format(
        _ file: CInt, with slot: JournalSlot, path: String
    ) throws(LivemigError) {
        try write(slot, to: file, path: path)
        // Written, not left a hole: a first write into a hole makes fdatasync(2) wait for the file
        // system's own journal, and the first writes of a record are those of a blackout.
        let zeros = [UInt8](repeating: 0, count: JournalSlot.size)
        let written = try SystemCall.check("pwrite", at: path, as: .journal) {
            unsafe pwrite(file, zeros, zeros.count, off_t(JournalSlot.size))
        }
        guard written == zeros.count else {
            throw LivemigError(.journal, "pwrite: \(written) of \(zeros.count) bytes", at: path)
        }
        try SystemCall.check("fsync", at: path, as: .journal) { fsync(file) }
        // The file's name must survive a power loss too, not only its content.
        let folder = folder(of: path)
        let directory = try OwnedDescriptor.open(folder, O_RDONLY | O_DIRECTORY, as: .journal)
        let number = directory.number
        try SystemCall.check("fsync", at: folder, as: .journal) { fsync(number) }
    }

    private static func folder(of path: String) -> String {
        let end = path.lastIndex(of: "/")
        return end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// What counts of the file, once it is on the medium.
    ///
    /// A process that was killed between `pwrite` and `fdatasync` leaves a record that a power loss
    /// would still take back.
    private static func read(_ file: CInt, path: String) throws(LivemigError) -> JournalSlot? {
        try SystemCall.check("fdatasync", at: path, as: .fsync) { fdatasync(file) }
        var slots: [JournalSlot] = []
        for index in 0..<2 {
            var bytes = [UInt8](repeating: 0, count: JournalSlot.size)
            let count = try SystemCall.check("pread", at: path, as: .journal) {
                unsafe pread(file, &bytes, JournalSlot.size, off_t(index * JournalSlot.size))
            }
            if count == JournalSlot.size, let slot = JournalSlot(decoding: bytes) {
                slots.append(slot)
            }
        }
        return slots.max { $0.sequence < $1.sequence }
    }
}
