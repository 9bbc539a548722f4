public import MigrationModel

/// Which moves run at once, and in which order the others follow.
///
/// A pure state machine: events in, moves to start out. Higher priorities go first, and what was
/// submitted first goes first within a priority. A move takes a slot out of its source, one into
/// its destination, and one of its network; a move that takes its disks along takes a storage slot
/// of both hosts instead. A move that has no slot lets later ones pass that have theirs, but not
/// for ever: once some of them have used slots that it needs, the next that become free are kept
/// for it. One that fails frees its slots as one that succeeds. Hosts move guests for others as
/// well; what is known of that counts as slots that are taken.
public struct MoveQueue: Sendable {
    /// A move of a guest.
    public struct Move: Hashable, Sendable {
        /// The guest's name.
        public var guest: VMName
        /// The guest, which is in the queue once at most.
        public var uuid: VMUUID
        /// The source.
        public var from: HostName
        /// The destination.
        public var to: HostName
        /// The subnet of the migration network that its page data takes; `nil` for none.
        public var network: String?
        /// Whether it takes its disks along.
        public var withStorage: Bool
        /// What goes first.
        public var priority: Priority

        /// States a move.
        public init(
            guest: VMName, uuid: VMUUID, from: HostName, to: HostName, network: String? = nil,
            withStorage: Bool = false, priority: Priority = .medium
        ) {
            self.guest = guest
            self.uuid = uuid
            self.from = from
            self.to = to
            self.network = network
            self.withStorage = withStorage
            self.priority = priority
        }
    }

    /// What of a host or a network only so many moves can have at once.
    public enum Slot: Hashable, Sendable {
        /// Moves away from a host.
        case out(HostName)
        /// Moves to a host.
        case into(HostName)
        /// Moves with disks from or to a host.
        case storage(HostName)
        /// Moves over a network, by its subnet.
        case network(String)
    }

    /// What the caller has to do.
    public enum Action: Hashable, Sendable {
        /// Start a move.
        case start(Move)
        /// Cancel a move that was started; its end is to be reported all the same.
        case cancel(Move)
    }

    /// How a move ended.
    public enum Outcome: Hashable, Sendable {
        /// The guest runs on the destination.
        case succeeded
        /// It does not, or not surely.
        case failed(LivemigError)
        /// It was cancelled before it was started.
        case cancelled
    }

    /// How often later moves may use slots of a waiting one before slots are kept for it.
    static let patience = 4

    /// The limits.
    public let limits: Limits
    /// Whether no further moves are started.
    public private(set) var isHeld = false
    /// Moves that were to be started and have not ended, in that order.
    public private(set) var active: [Active] = []
    /// Moves that have ended, in that order.
    public private(set) var ended: [Ended] = []
    private(set) var entries: [Entry] = []
    private(set) var slots: [Slot] = []
    private(set) var used: [Int] = []
    /// Slots that moves of others have, as far as is known.
    var others: [Int] = []
    var limit: [Int] = []
    private(set) var numbers: [Slot: Int] = [:]
    private var guests: Set<VMUUID> = []
    private var submitted = 0

    /// A move that has its slots.
    public struct Active: Hashable, Sendable {
        /// The move.
        public let move: Move
        /// Whether the caller has said that it runs.
        public internal(set) var isStarted = false
        /// Whether it is being cancelled.
        public internal(set) var isCancelled = false
        let order: Int
        let slots: [Int]
    }

    /// A move that has ended.
    public struct Ended: Hashable, Sendable {
        /// The move.
        public let move: Move
        /// How it ended.
        public let outcome: Outcome
    }

    /// A move that waits, in the order of the queue.
    struct Entry {
        let move: Move
        let order: Int
        let slots: [Int]
        var overtaken = 0
    }

    /// A queue without moves.
    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Whether nothing waits and nothing runs.
    public var isEmpty: Bool { entries.isEmpty && active.isEmpty }
}

// MARK: Events

extension MoveQueue {
    /// Takes a move in.
    ///
    /// - Returns: what can be started now.
    /// - Throws: `E-SAMEHOST`, or `E-BUSY` for a guest that is in the queue already.
    public mutating func submit(_ move: Move) throws(LivemigError) -> [Action] {
        guard move.from != move.to else {
            throw LivemigError(.sameHost, "\(move.guest) is on \(move.to)")
        }
        guard guests.insert(move.uuid).inserted else {
            throw LivemigError(
                .busy, "\(move.guest) is in the queue already", fix: "wait until its move has ended"
            )
        }
        submitted += 1
        insert(Entry(move: move, order: submitted, slots: slotNumbers(of: move)))
        return dispatch()
    }

    /// Takes note that a move runs.
    public mutating func started(_ guest: VMUUID) {
        guard let index = active.firstIndex(where: { $0.move.uuid == guest }) else { return }
        active[index].isStarted = true
    }

    /// Takes the end of a move in, whatever it was; the end of an unknown one changes nothing.
    ///
    /// - Returns: what can be started now.
    public mutating func finished(_ guest: VMUUID, _ outcome: Outcome) -> [Action] {
        guard let gone = release(guest) else { return [] }
        guests.remove(guest)
        ended.append(Ended(move: gone.move, outcome: outcome))
        return dispatch()
    }

    /// Takes a move back that a host has refused, since moves of others have its slots: it waits in
    /// its old place until one may be free.
    ///
    /// - Parameters:
    ///   - guest: the guest; of one that was not started nothing is changed.
    ///   - slot: what it was refused for.
    /// - Returns: what can be started now.
    public mutating func refused(_ guest: VMUUID, for slot: Slot) -> [Action] {
        guard let gone = release(guest) else { return [] }
        let number = number(of: slot)
        others[number] = max(1, limit[number] - used[number])
        if gone.isCancelled {
            guests.remove(guest)
            ended.append(Ended(move: gone.move, outcome: .cancelled))
        } else {
            let slots = gone.slots.contains(number) ? gone.slots : gone.slots + [number]
            insert(Entry(move: gone.move, order: gone.order, slots: slots))
        }
        return dispatch()
    }

    /// Takes a waiting move out, and asks for the end of one that was started.
    ///
    /// - Returns: what to do now.
    public mutating func cancel(_ guest: VMUUID) -> [Action] {
        if let index = entries.firstIndex(where: { $0.move.uuid == guest }) {
            let entry = entries.remove(at: index)
            guests.remove(guest)
            ended.append(Ended(move: entry.move, outcome: .cancelled))
            return dispatch()
        }
        guard let index = active.firstIndex(where: { $0.move.uuid == guest }),
            !active[index].isCancelled
        else { return [] }
        active[index].isCancelled = true
        return [.cancel(active[index].move)]
    }

    /// Starts no further moves; those that were started go on.
    public mutating func hold() { isHeld = true }

    /// Starts moves again.
    ///
    /// - Returns: what can be started now.
    public mutating func resume() -> [Action] {
        isHeld = false
        return dispatch()
    }
}

// MARK: The order

extension MoveQueue {
    /// Whether a guest's move waits or runs.
    public func contains(_ guest: VMUUID) -> Bool { guests.contains(guest) }

    private mutating func insert(_ entry: Entry) {
        let index = entries.firstIndex { later in
            later.move.priority < entry.move.priority
                || later.move.priority == entry.move.priority && later.order > entry.order
        }
        entries.insert(entry, at: index ?? entries.endIndex)
    }

    private mutating func release(_ guest: VMUUID) -> Active? {
        guard let index = active.firstIndex(where: { $0.move.uuid == guest }) else { return nil }
        let gone = active.remove(at: index)
        for slot in gone.slots { used[slot] -= 1 }
        return gone
    }

    mutating func dispatch() -> [Action] {
        guard !isHeld else { return [] }
        var actions: [Action] = []
        var kept = Array(repeating: false, count: slots.count)
        var index = 0
        while index < entries.count {
            if entries[index].slots.allSatisfy({ isFree($0, kept[$0]) }) {
                actions.append(.start(start(index)))
                continue
            }
            if entries[index].overtaken >= Self.patience {
                for slot in entries[index].slots { kept[slot] = true }
            }
            index += 1
        }
        return actions
    }

    private mutating func start(_ index: Int) -> Move {
        let entry = entries.remove(at: index)
        for slot in entry.slots { used[slot] += 1 }
        for earlier in 0..<index where entries[earlier].shares(entry.slots) {
            entries[earlier].overtaken += 1
        }
        active.append(Active(move: entry.move, order: entry.order, slots: entry.slots))
        return entry.move
    }

    /// Whether a slot is free for a move, of which one may be kept for an earlier one.
    func isFree(_ slot: Int, _ isKept: Bool) -> Bool {
        used[slot] + others[slot] + (isKept ? 1 : 0) < limit[slot]
    }

    private mutating func slotNumbers(of move: Move) -> [Int] {
        let ofHosts: [Slot] =
            move.withStorage
            ? [.storage(move.from), .storage(move.to)] : [.out(move.from), .into(move.to)]
        return (ofHosts + (move.network.map { [.network($0)] } ?? [])).map { number(of: $0) }
    }

    private mutating func number(of slot: Slot) -> Int {
        if let number = numbers[slot] { return number }
        numbers[slot] = slots.count
        slots.append(slot)
        used.append(0)
        others.append(limits.others[slot] ?? 0)
        limit.append(limits.limit(of: slot))
        return slots.count - 1
    }
}

extension MoveQueue.Entry {
    fileprivate func shares(_ others: [Int]) -> Bool { slots.contains(where: others.contains) }
}
