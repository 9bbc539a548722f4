import Glibc
import LinuxSystem
import MigrationModel

/// A file of two slots that are written in turn: what every write to it and read of it must do.
///
/// A write is `pwrite` and `fdatasync` of the slot that does not count at the moment, so that a
/// crash leaves what was there or what is new.
enum SlotFile {
    static func write(
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

    static func damaged(_ path: String) -> LivemigError {
        LivemigError(
            .journalCorrupt, "neither slot of the record is valid", at: path,
            fix: "nothing is guessed: start the VM nowhere else before you have seen whether it "
                + "runs on this host; livemig status says what the other hosts know")
    }

    /// Whether the file's creation was cut short: it gets its full size last, and nothing but the
    /// first record, which is `none`, is written before.
    static func isUnfinished(
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

    static func format(
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

    static func folder(of path: String) -> String {
        let end = path.lastIndex(of: "/")
        return end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// What counts of the file, once it is on the medium.
    ///
    /// A process that was killed between `pwrite` and `fdatasync` leaves a record that a power loss
    /// would still take back.
    static func read(_ file: CInt, path: String) throws(LivemigError) -> JournalSlot? {
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
