public import MigrationModel

extension MoveQueue {
    /// A move that waits.
    public struct Waiting: Hashable, Sendable {
        /// The move.
        public let move: Move
        /// The place in the queue, from 1.
        public let position: Int
        /// All that it waits for.
        public let reasons: [Wait]
    }

    /// What a move waits for.
    public enum Wait: Hashable, Sendable {
        /// All slots of a kind are taken.
        case slot(Slot, used: Int, limit: Int)
        /// The free slot is kept for an earlier move.
        case turn(of: VMName, Slot)
        /// No moves are started for now.
        case held
    }

    /// The moves that wait, in the order of the queue, and what each waits for.
    public var waiting: [Waiting] {
        var kept: [Int: VMName] = [:]
        return entries.enumerated().map { index, entry in
            var reasons: [Wait] = isHeld ? [.held] : []
            for slot in entry.slots where !isFree(slot, kept[slot] != nil) {
                if let name = kept[slot], isFree(slot, false) {
                    reasons.append(.turn(of: name, slots[slot]))
                } else {
                    reasons.append(.slot(slots[slot], used: used[slot], limit: limit[slot]))
                }
            }
            if entry.overtaken >= Self.patience {
                for slot in entry.slots where kept[slot] == nil { kept[slot] = entry.move.guest }
            }
            return Waiting(move: entry.move, position: index + 1, reasons: reasons)
        }
    }
}

extension MoveQueue.Waiting: CustomStringConvertible {
    /// Such as `waits for a free slot out of alpha (2 of 2 moving)`.
    public var description: String {
        "waits for " + Words.list(reasons.map(\.description))
    }
}

extension MoveQueue.Wait: CustomStringConvertible {
    /// In words that follow `waits for`.
    public var description: String {
        switch self {
        case .slot(let slot, let used, let limit): "a free \(slot) (\(used) of \(limit) moving)"
        case .turn(let guest, let slot): "\(guest) to get the next \(slot)"
        case .held: "the queue to go on"
        }
    }
}

extension MoveQueue.Slot: CustomStringConvertible {
    /// Such as `slot out of alpha`.
    public var description: String {
        switch self {
        case .out(let host): "slot out of \(host)"
        case .into(let host): "slot into \(host)"
        case .storage(let host): "storage slot of \(host)"
        case .network(let subnet): "slot on \(subnet.onOneLine())"
        }
    }
}
