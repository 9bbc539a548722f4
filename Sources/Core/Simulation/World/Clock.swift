import MigrationModel

/// Virtual time and what is to happen, in order of time and then of planning.
struct Clock {
    /// Milliseconds since the start.
    typealias Time = Int

    private struct Entry {
        let time: Time
        let number: Int
        let happening: Happening

        func isBefore(_ other: Entry) -> Bool {
            (time, number) < (other.time, other.number)
        }
    }

    private(set) var now: Time = 0
    private var heap: [Entry] = []
    private var planned = 0

    /// Plans something; a time in the past means now.
    mutating func plan(_ happening: Happening, after delay: Time) {
        planned += 1
        heap.append(Entry(time: now + max(0, delay), number: planned, happening: happening))
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Takes what happens next and moves the time on; `nil` when nothing is planned before a limit.
    mutating func next(until limit: Time) -> Happening? {
        guard let first = heap.first, first.time <= limit else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        now = first.time
        return first.happening
    }
}

/// What can happen by itself.
enum Happening {
    /// The oldest message on one direction of a connection arrives.
    case delivery(connection: Int, to: Int)
    /// A process's timer; of no use when a newer one of its kind was set.
    case timer(process: Int, Timer, number: Int)
    case fault
    /// A recovery step arrives once more, as somebody sent it who had no answer.
    case late(RecoveryStep, host: Int)
    case boot(Int)
    case operation
}

/// What a process can wait for.
enum Timer: Int, CaseIterable {
    /// The next step of the work, such as the end of a round.
    case step
    /// The end of patience with somebody.
    case patience
    /// Whether the peer has been silent for too long.
    case silence
    /// The guest's blackout, or a guest whose disk is held.
    case deadline, retry
    /// The hypervisor has ended.
    case ended
}

extension Duration {
    /// As virtual time.
    var ticks: Clock.Time { Int(milliseconds) }
}
