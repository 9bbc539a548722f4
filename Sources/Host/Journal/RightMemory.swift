import Glibc
import LinuxSystem
public import MigrationModel
import Ownership

/// What a host remembers of its rights outside of the VMs' folders: the last one that it wrote, for
/// every VM that it ever had, also of those that were removed.
///
/// A folder of a VM that comes back from a backup or a snapshot brings an old record with it, which
/// says that this host may run a guest that has gone elsewhere since. The memory tells, without
/// asking anybody. It has the form of a record, in a file named by the VM's UUID; it is written
/// after the record and before the effect, so that a crash in between leaves the record ahead of
/// it, never behind. Only whoever holds the lock on the record writes it.
public struct RightMemory: ~Copyable, Sendable {
    private let file: OwnedDescriptor
    private let path: String
    private var current: JournalSlot?

    /// The last right that was remembered; `nil` for a VM that the host never had.
    public var right: Right? { current?.record.right }

    /// Opens or creates the memory of a VM.
    ///
    /// - Parameters:
    ///   - uuid: the VM.
    ///   - folder: the folder of memories.
    /// - Throws: `E-JOURNAL` for a file that is not this user's alone, `E-JOURNAL-CORRUPT` when it
    ///   cannot be read.
    public init(of uuid: VMUUID, in folder: String) throws(LivemigError) {
        let path = Self.path(of: uuid, in: folder)
        let file = try PrivateFile.open(path, O_RDWR | O_CREAT, as: .journal)
        let current = try Self.read(file.number, of: uuid, path: path)
        self.file = file
        self.path = path
        self.current = current
    }

    /// Reads the memory of a VM; `nil` for one that the host never had.
    public static func peek(
        _ uuid: VMUUID, in folder: String
    ) throws(LivemigError) -> Right? {
        let path = path(of: uuid, in: folder)
        guard unsafe access(path, F_OK) == 0 else { return nil }
        let file = try PrivateFile.open(path, O_RDONLY, as: .journal)
        return try read(file.number, of: uuid, path: path)?.record.right
    }

    /// Notes a record, and returns when it is on the medium; what is remembered already is not
    /// written again.
    /// - Throws: `E-FSYNC`, `E-RESOURCE`.
    public mutating func remember(_ record: OwnershipRecord) throws(LivemigError) {
        guard record.right != .none, record.right != right else { return }
        let slot = JournalSlot(sequence: current.map { $0.sequence &+ 1 } ?? 0, record: record)
        if current == nil {
            try SlotFile.format(file.number, with: slot, path: path)
        } else {
            try SlotFile.write(slot, to: file.number, path: path)
        }
        current = slot
    }

    /// Notes that a VM was removed, or is to begin anew: no record of it counts any more, also when
    /// one comes back.
    ///
    /// - Parameters:
    ///   - uuid: the VM.
    ///   - right: what the record says.
    ///   - folder: the folder of memories.
    public static func forget(
        _ uuid: VMUUID, _ right: Right, in folder: String
    ) throws(LivemigError) {
        var memory = try RightMemory(of: uuid, in: folder)
        let known = memory.right ?? .none
        guard !known.isDeparted || right.epoch > known.epoch else { return }
        let end = Attempt(migration: MigrationID(.zero), epoch: max(right.epoch, known.epoch))
        try memory.remember(
            OwnershipRecord(
                uuid: uuid, right: .gone(end), peer: "", time: UInt64(max(0, time(nil)))))
    }

    /// Insists that a record is not older than what the host remembers.
    ///
    /// - Parameters:
    ///   - right: what the record says; `nil` or `none` where there is none.
    ///   - remembered: what the host remembers.
    ///   - path: the record.
    /// - Throws: `E-STALE`.
    public static func check(
        _ right: Right?, against remembered: Right, at path: String
    ) throws(LivemigError) {
        let right = right ?? .none
        guard right.isOlder(than: remembered) else { return }
        let what =
            right == .none
            ? "the record is missing" : "the record says \(right.word), epoch \(right.epoch)"
        throw LivemigError(
            .staleRecord,
            "\(what), and this host remembers \(remembered.word), epoch \(remembered.epoch): it has "
                + "come back from a backup or a snapshot, or was lost", at: path,
            fix:
                "livemig status says which host has the VM; where none has it, keep definition.xml, "
                + "remove the VM here with livemig vm remove HOST/VM, and define it again")
    }

    private static func path(of uuid: VMUUID, in folder: String) -> String {
        "\(folder)/\(uuid)"
    }

    private static func read(
        _ file: CInt, of uuid: VMUUID, path: String
    ) throws(LivemigError) -> JournalSlot? {
        let slot = try SlotFile.read(file, path: path)
        if try SlotFile.isUnfinished(file, slot, path: path) { return nil }
        guard let slot, slot.record.uuid == uuid else {
            throw LivemigError(
                .journalCorrupt, "what this host remembers of the VM cannot be read", at: path,
                fix: "livemig status says what the other hosts know; remove the file once no other "
                    + "host has the VM")
        }
        return slot
    }
}
