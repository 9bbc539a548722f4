import MigrationModel
import Planner

/// How far a batch of moves is: which run, which wait, and how the others ended.
struct Course {
    private let items: [MoveBatch.Item]
    private var queue: MoveQueue
    private var places: [VMUUID: Int] = [:]
    private var waitingForOthers: Set<Int>
    private var ended: [Int: MoveBatch.Result] = [:]
    private var begun: Set<Int> = []
    private var told: Set<Int> = []
    /// Whether no further move begins.
    private(set) var isHeld = false

    init(_ items: [MoveBatch.Item], _ limits: MoveQueue.Limits) {
        self.items = items
        queue = MoveQueue(limits: limits)
        waitingForOthers = Set(items.indices)
    }

    /// Whether every item has ended.
    var isOver: Bool { ended.count == items.count }

    /// How the items ended, once all have.
    var results: [MoveBatch.Result] {
        items.indices.map { index in
            ended[index] ?? .notBegun(LivemigError(.internal, "the batch was left early"))
        }
    }

    /// What waits in the queue, and for what.
    var waiting: [MoveQueue.Waiting] { queue.waiting }

    /// Puts everything in the queue that waits for no other item.
    /// - Returns: the items to begin.
    mutating func start() -> [Int] { submitReady() }

    /// Takes the end of a move in.
    /// - Returns: the items to begin.
    mutating func ended(_ index: Int, _ outcome: MoveOutcome) -> [Int] {
        ended[index] = .ended(outcome)
        let move = items[index].move
        let state: MoveQueue.Outcome = outcome.error.map { .failed($0) } ?? .succeeded
        return begin(queue.finished(move.uuid, state)) + submitReady()
    }

    /// Begins nothing more: what has not begun ends so.
    mutating func hold() {
        isHeld = true
        queue.hold()
        for index in items.indices where !begun.contains(index) && ended[index] == nil {
            let move = items[index].move
            ended[index] = .notBegun(
                LivemigError(
                    .cancelled, "not begun before the interruption",
                    at: "VM \(move.guest)", fix: "run the command again"))
        }
        waitingForOthers = []
    }

    /// The items that will not begin and were not taken yet, and why.
    mutating func takeNotBegun() -> [(Int, LivemigError)] {
        items.indices.compactMap { index in
            guard case .notBegun(let error) = ended[index], told.insert(index).inserted else {
                return nil
            }
            return (index, error)
        }
    }

    private mutating func submitReady() -> [Int] {
        var begun: [Int] = []
        for index in waitingForOthers.sorted() where !isHeld {
            let item = items[index]
            let open = item.after.filter { ended[$0] == nil }
            if let (failed, error) = failure(before: item) {
                waitingForOthers.remove(index)
                ended[index] = .notBegun(
                    LivemigError(
                        error.code, "not begun, since the move of \(failed) before it failed",
                        at: "VM \(item.move.guest)"))
                continue
            }
            guard open.isEmpty, !queue.contains(item.move.uuid) else { continue }
            waitingForOthers.remove(index)
            places[item.move.uuid] = index
            do {
                begun += begin(try queue.submit(item.move))
            } catch {
                ended[index] = .notBegun(error)
            }
        }
        return begun
    }

    private func failure(before item: MoveBatch.Item) -> (VMName, LivemigError)? {
        for index in item.after {
            if let error = ended[index]?.error { return (items[index].move.guest, error) }
        }
        return nil
    }

    private mutating func begin(_ actions: [MoveQueue.Action]) -> [Int] {
        actions.compactMap { action in
            guard case .start(let move) = action, let place = places[move.uuid] else { return nil }
            queue.started(move.uuid)
            begun.insert(place)
            return place
        }
    }
}
