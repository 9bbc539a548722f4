import LinuxSystem
import MigrationModel
import Planner

/// How far a batch of moves is: which run, which wait, and how the others ended.
struct Course {
    private let items: [MoveBatch.Item]
    private var queue: MoveQueue
    private var places: [VMUUID: Int] = [:]
    private var waitingForOthers: Set<Int>
    private var ended: [Int: MoveBatch.Result] = [:]
    /// The first failures of moves that are made a second time.
    private var failedOnce: [Int: MoveOutcome] = [:]
    private var begun: Set<Int> = []
    private var told: Set<Int> = []
    private let patience: Duration
    private var waitsForOthersSince: [VMUUID: MonotonicTime] = [:]
    /// Whether no further move begins.
    private(set) var isHeld = false

    /// - Parameter patience: how long a move waits for moves of others.
    init(
        _ items: [MoveBatch.Item], _ limits: MoveQueue.Limits,
        patience: Duration = MoveBatch.leastPatience
    ) {
        self.items = items
        self.patience = patience
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

    /// Which slots a move needs that moves of others have, where it was refused for nothing else and
    /// can be made later.
    func slot(refusing outcome: MoveOutcome, of index: Int) -> MoveQueue.Slot? {
        guard !isHeld, case .failed(let error) = outcome.ending else { return nil }
        let move = items[index].move
        switch error.fullSlots {
        case .outgoing: return .out(move.from)
        case .incoming: return .into(move.to)
        case nil: return nil
        }
    }

    /// Takes a move back that was refused for slots.
    /// - Returns: the items to begin.
    mutating func refused(_ index: Int, for slot: MoveQueue.Slot) -> [Int] {
        begun.remove(index)
        return begin(queue.refused(items[index].move.uuid, for: slot))
    }

    /// Whether a move that has ended is to be made once more, after a pause.
    func isSecondTryDue(after outcome: MoveOutcome, of index: Int) -> Bool {
        !isHeld && failedOnce[index] == nil
            && SecondTry.isDue(after: outcome, of: items[index].move)
    }

    /// Puts a move off that is to be made once more, and lets others have its slots.
    /// - Returns: the items to begin.
    mutating func putOff(_ index: Int, after outcome: MoveOutcome) -> [Int] {
        failedOnce[index] = outcome
        begun.remove(index)
        let error = outcome.error ?? LivemigError(.internal, "put off without a failure")
        return begin(queue.finished(items[index].move.uuid, .failed(error)))
    }

    /// Puts a move in the queue again, behind those of its priority.
    /// - Returns: the items to begin.
    mutating func tryAgain(_ index: Int) -> [Int] {
        guard failedOnce[index] != nil, ended[index] == nil else { return [] }
        waitingForOthers.insert(index)
        return submitReady()
    }

    /// The hosts that have slots which something waits for and moves of others have, by name.
    var hostsToAsk: [HostName] {
        guard !isHeld else { return [] }
        let hosts = queue.waiting.flatMap(\.slotsOfOthers).compactMap { slot in
            switch slot {
            case .out(let host), .into(let host): host
            case .storage, .network: nil as HostName?
            }
        }
        return Set(hosts).sorted { $0.text < $1.text }
    }

    /// Takes in how many moves hosts have under way, and gives up what has waited for others for
    /// too long.
    ///
    /// - Parameters:
    ///   - settings: what the hosts say; those that do not answer are left out.
    ///   - time: when.
    /// - Returns: the items to begin.
    mutating func observed(
        _ settings: [HostName: HostSettings], at time: MonotonicTime
    ) -> [Int] {
        var actions: [MoveQueue.Action] = []
        for (host, settings) in settings {
            let most = settings.policy.liveMoves
            actions += queue.observed(.out(host), moving: settings.outgoing, of: most)
            actions += queue.observed(.into(host), moving: settings.incoming, of: most)
        }
        let begun = begin(actions)
        for entry in queue.waiting {
            guard entry.isForOthersOnly else {
                waitsForOthersSince[entry.move.uuid] = nil
                continue
            }
            let since = waitsForOthersSince[entry.move.uuid] ?? time
            waitsForOthersSince[entry.move.uuid] = since
            if time - since >= patience { giveUp(entry) }
        }
        return begun + submitReady()
    }

    private mutating func giveUp(_ entry: MoveQueue.Waiting) {
        guard let index = places[entry.move.uuid] else { return }
        _ = queue.cancel(entry.move.uuid)
        ended[index] = .notBegun(
            LivemigError(
                .busy, "not begun within \(patience.brief): it \(entry)",
                at: "VM \(entry.move.guest)",
                fix: "wait for an end, or raise --live-moves of livemig host settings"))
    }

    /// Begins nothing more: what has not begun ends so, and what was to be made once more with its
    /// failure.
    /// - Returns: the failures of the latter.
    @discardableResult
    mutating func hold() -> [(index: Int, outcome: MoveOutcome)] {
        isHeld = true
        queue.hold()
        var failures: [(index: Int, outcome: MoveOutcome)] = []
        for index in items.indices where !begun.contains(index) && ended[index] == nil {
            if let outcome = failedOnce[index] {
                ended[index] = .ended(outcome)
                failures.append((index, outcome))
                continue
            }
            let move = items[index].move
            ended[index] = .notBegun(
                LivemigError(
                    .cancelled, "not begun before the interruption",
                    at: "VM \(move.guest)", fix: "run the command again"))
        }
        waitingForOthers = []
        return failures
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
