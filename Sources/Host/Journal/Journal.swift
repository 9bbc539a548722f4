import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// The durable record of one VM on one host: two slots written in turn, locked by its one writer.
///
/// A crash leaves the old record or the new one. A failed `fdatasync` is final for the file: whether
/// the data reached the medium cannot be found out by trying again. Beside the record stands the
/// host's memory of it (`RightMemory`), by which an older record is found out that has come back.
public struct Journal: ~Copyable, Sendable {
    private let file: OwnedDescriptor
    private let path: String
    private var current: JournalSlot
    private var memory: RightMemory?
    private var hasFailed = false

    /// The record as last written.
    public var record: OwnershipRecord { current.record }

    /// Opens a record for writing, or creates it as `none`, and locks it (flock(2)).
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - uuid: the VM of a record that is created.
    ///   - medium: what it may be on.
    ///   - memories: the folder in which the host remembers rights; `nil` remembers nothing.
    /// - Throws: `E-BUSY` when another process is the writer, `E-JOURNAL` for a file that is not this
    ///   user's alone or not on such a medium, `E-JOURNAL-CORRUPT` when neither slot is valid or the
    ///   record is another VM's, `E-STALE` when it is older than the host remembers.
    public init(
        openingOrCreating path: String, uuid: VMUUID, on medium: RecordMedium = .durable,
        memories: String? = nil
    ) throws(LivemigError) {
        try medium.require(forFolder: SlotFile.folder(of: path))
        let file = try PrivateFile.open(path, O_RDWR | O_CREAT, as: .journal)
        let number = file.number
        if flock(number, LOCK_EX | LOCK_NB) != 0 {
            throw LivemigError(
                .busy, "another process holds the record", at: path,
                fix: "a guardian or another migration of this VM is at work")
        }
        var memory: RightMemory?
        if let memories { memory = try RightMemory(of: uuid, in: memories) }
        // Nothing is created in place of a record that the host remembers and does not have.
        let first = memory?.right ?? .none
        let found = try SlotFile.read(number, path: path)?.record
        try RightMemory.check(
            found?.uuid == uuid ? found?.right : Right.none, against: first, at: path)
        var current = try Self.readOrFormat(number, uuid: uuid, first: first, path: path)
        // A record that was never used begins behind what the host has had before.
        if current.record.right == .none {
            var record = current.record
            record.right = first
            current = JournalSlot(sequence: current.sequence, record: record)
        }
        // What a crash has kept from being remembered, or an earlier release did not remember.
        try memory?.remember(current.record)
        self.current = current
        self.memory = consume memory
        self.file = file
        self.path = path
    }

    /// Reads a record without locking it; `nil` when there is none.
    /// - Throws: `E-JOURNAL-CORRUPT` when neither slot is valid.
    public static func peek(_ path: String) throws(LivemigError) -> OwnershipRecord? {
        guard unsafe access(path, F_OK) == 0 else { return nil }
        let file = try PrivateFile.open(path, O_RDONLY, as: .journal)
        let slot = try SlotFile.read(file.number, path: path)
        if try SlotFile.isUnfinished(file.number, slot, path: path) { return nil }
        guard let slot else {
            throw SlotFile.damaged(path)
        }
        return slot.record
    }

    /// Reads the record of a VM without locking it; `nil` when there is none.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - uuid: the VM that is defined; `nil` where the record says whose it is.
    ///   - memories: the folder in which the host remembers rights.
    /// - Throws: as `peek`, and `E-STALE` when the record is older than the host remembers.
    public static func peek(
        _ path: String, uuid: VMUUID?, memories: String
    ) throws(LivemigError) -> OwnershipRecord? {
        let record = try peek(path)
        guard let uuid = uuid ?? record?.uuid,
            let right = try RightMemory.peek(uuid, in: memories)
        else { return record }
        try RightMemory.check(
            record?.uuid == uuid ? record?.right : Right.none, against: right, at: path)
        return record
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
            try SlotFile.write(slot, to: file.number, path: path)
            current = slot
            // A new epoch, and an end, before their effect; the steps of a hand-over do not wait.
            if right.isDeparted || right.epoch > memory?.right?.epoch ?? right.epoch
                || memory?.right == nil
            {
                try memory?.remember(record)
            }
        } catch {
            hasFailed = true
            throw error
        }
    }

    /// Remembers what was written meanwhile, at a moment when nobody waits for it.
    ///
    /// A copy that waits for the right is to run at once when it comes, so it is not remembered.
    /// - Throws: `E-FSYNC`; the record is written all the same.
    public mutating func remember() throws(LivemigError) {
        if case .ready = current.record.right { return }
        guard !hasFailed else { return }
        try memory?.remember(current.record)
    }

    /// Lets the next writer in, before this process tells anybody that it is done.
    ///
    /// Nothing may be written after it.
    public mutating func unlock() {
        hasFailed = true
        _ = flock(file.number, LOCK_UN)
    }

    private static func readOrFormat(
        _ file: CInt, uuid: VMUUID, first: Right, path: String
    ) throws(LivemigError) -> JournalSlot {
        let found = try SlotFile.read(file, path: path)
        if try SlotFile.isUnfinished(file, found, path: path) {
            let record = OwnershipRecord(uuid: uuid, right: first, peer: "", time: 0)
            let slot = JournalSlot(sequence: 0, record: record)
            try SlotFile.format(file, with: slot, path: path)
            return slot
        }
        guard let slot = found else {
            throw SlotFile.damaged(path)
        }
        guard slot.record.uuid == uuid else {
            throw LivemigError(
                .journalCorrupt, "the record is of VM \(slot.record.uuid)", at: path)
        }
        return slot
    }
}
