import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// The live moves under way on a host, counted over all its agents.
///
/// Each holds a file of its own locked, and the kernel lets go of it when the process dies, however
/// that comes about (flock(2)). Files stay for the next move, so that nobody waits for a lock on
/// one that is no longer there.
struct MoveSlots: Sendable {
    /// A guest on its way, and the memory that it will need here.
    struct Guest: Hashable, Sendable {
        let name: VMName
        let memory: ByteCount

        /// Such as `1073741824 web1`.
        var text: String { "\(memory.bytes) \(name)\n" }

        init(_ name: VMName, memory: ByteCount) {
            self.name = name
            self.memory = memory
        }

        /// Reads what `text` wrote; `nil` for anything else.
        init?(_ text: String) {
            let words = text.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, let bytes = UInt64(words[0]),
                let name = try? VMName(String(words[1]))
            else { return nil }
            self.init(name, memory: ByteCount(bytes))
        }
    }

    let root: HostRoot

    /// Counts a move among those under way.
    ///
    /// - Parameters:
    ///   - direction: whether the guest leaves or comes.
    ///   - limit: the most at a time.
    ///   - guest: which one.
    /// - Returns: the move's slot, and the guests that were under way before it.
    /// - Throws: `E-BUSY` when the limit is reached.
    func take(
        _ direction: MoveDirection, limit: Int, for guest: Guest
    ) throws(LivemigError) -> (slot: MoveSlot, others: [Guest]) {
        let turn = try takeTurn()
        defer { turn.end() }
        let files = try files(direction)
        var others: [Guest] = []
        var free: MoveSlot?
        for file in files {
            let slot = try open(file)
            if try slot.tryLock() {
                free = free ?? slot
            } else {
                others.append(try content(of: file))
            }
        }
        guard others.count < limit else { throw Self.full(direction, others.count, at: root.path) }
        let slot = if let free { free } else { try newSlot(direction, beside: files) }
        try slot.write(guest.text)
        return (slot, others)
    }

    /// The guests that leave or come now.
    func guests(_ direction: MoveDirection) throws(LivemigError) -> [Guest] {
        let turn = try takeTurn()
        defer { turn.end() }
        var guests: [Guest] = []
        for file in try files(direction) where try !open(file).tryLock() {
            guests.append(try content(of: file))
        }
        return guests
    }

    /// Waits for whoever counts at the moment: a look at a lock takes it for that time.
    private func takeTurn() throws(LivemigError) -> MoveSlot {
        let turn = try open(root.moves + "/lock", O_CREAT)
        try turn.lock()
        return turn
    }

    private func files(_ direction: MoveDirection) throws(LivemigError) -> [String] {
        try FolderListing.names(in: root.moves).sorted()
            .filter { $0.hasPrefix(direction.word + ".") }.map { "\(root.moves)/\($0)" }
    }

    private func newSlot(
        _ direction: MoveDirection, beside files: [String]
    ) throws(LivemigError) -> MoveSlot {
        var number = 1
        var path = "\(root.moves)/\(direction.word).1"
        while files.contains(path) {
            number += 1
            path = "\(root.moves)/\(direction.word).\(number)"
        }
        let slot = try open(path, O_CREAT)
        try slot.lock()
        return slot
    }

    private func open(_ path: String, _ flags: CInt = 0) throws(LivemigError) -> MoveSlot {
        MoveSlot(try PrivateFile.open(path, O_RDWR | flags, as: .root), path: path)
    }

    private func content(of file: String) throws(LivemigError) -> Guest {
        guard let guest = Guest(SmallFile.read(file)) else {
            throw LivemigError(
                .root, "the file of a move under way says nothing that can be read", at: file,
                fix: "remove it once no guest is moved")
        }
        return guest
    }

    private static func full(
        _ direction: MoveDirection, _ count: Int, at place: String
    ) -> LivemigError {
        let (verb, plural) = count == 1 ? ("is", "") : ("are", "s")
        let way = direction == .outgoing ? "away from" : "to"
        return LivemigError(
            .busy, "\(count) live move\(plural) \(way) this host \(verb) under way already",
            at: place, fix: "wait for an end, or raise --live-moves of livemig host settings",
            fullSlots: direction)
    }
}

/// A file that is locked as long as a move is under way.
final class MoveSlot: Sendable {
    private let file: OwnedDescriptor
    private let path: String

    init(_ file: consuming OwnedDescriptor, path: String) {
        self.file = file
        self.path = path
    }

    /// Takes the lock if nobody has it.
    func tryLock() throws(LivemigError) -> Bool {
        while flock(file.number, LOCK_EX | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return false }
            guard errno == EINTR else {
                throw SystemCall.failure("flock", Errno(rawValue: errno), at: path)
            }
        }
        return true
    }

    /// Waits for the lock.
    func lock() throws(LivemigError) {
        let number = file.number
        try SystemCall.check("flock", at: path) { flock(number, LOCK_EX) }
    }

    /// Puts a text in the place of what the file holds.
    func write(_ text: String) throws(LivemigError) {
        let number = file.number
        try SystemCall.check("ftruncate", at: path) { ftruncate(number, 0) }
        try DescriptorIO.write(Array(text.utf8), to: number, at: path)
    }

    /// Lets go of the lock: the move is over.
    func end() { _ = flock(file.number, LOCK_UN) }
}
