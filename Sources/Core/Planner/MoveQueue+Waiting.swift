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

        /// The slots that moves of others have.
        public var slotsOfOthers: [Slot] {
            reasons.compactMap { if case .others(let slot, _, _) = $0 { slot } else { nil } }
        }

        /// Whether it waits for moves of others alone.
        public var isForOthersOnly: Bool {
            !reasons.isEmpty && slotsOfOthers.count == reasons.count
        }
    }

    /// What a move waits for.
    public enum Wait: Hashable, Sendable {
        /// All slots of a kind are taken.
        case slot(Slot, used: Int, limit: Int)
        /// Moves that the queue did not start have so many slots of a host.
        case others(Slot, moving: Int, limit: Int)
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
                    reasons += waits(for: slot)
                }
            }
            if entry.overtaken >= Self.patience {
                for slot in entry.slots where kept[slot] == nil { kept[slot] = entry.move.guest }
            }
            return Waiting(move: entry.move, position: index + 1, reasons: reasons)
        }
    }

    /// What has to end for a slot to become free.
    private func waits(for number: Int) -> [Wait] {
        var waits: [Wait] = []
        let (slot, limit) = (slots[number], limit[number])
        if used[number] > 0 || others[number] == 0 {
            waits.append(.slot(slot, used: used[number], limit: limit))
        }
        if others[number] > 0 { waits.append(.others(slot, moving: others[number], limit: limit)) }
        return waits
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
        case .others(.out(let host), let count, let limit):
            "moves of others on \(host) (\(count) of \(limit) leaving)"
        case .others(.into(let host), let count, let limit):
            "moves of others on \(host) (\(count) of \(limit) coming)"
        case .others(let slot, let count, let limit):
            "moves of others with a \(slot) (\(count) of \(limit) moving)"
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
