import LinuxSystem
public import MigrationModel
public import Planner
import Synchronization

/// Several moves, as many at a time as the limits of hosts and networks allow.
///
/// The queue decides what begins; each move is a `Migration` of its own. One that fails leaves the
/// others alone; one that `SecondTry` names is made once more. One that a host refuses because moves
/// of others have its slots waits for them: the host is asked every two seconds, since nobody tells
/// when they end. Used by one task, but for `interrupt`.
public final class MoveBatch: Sendable {
    /// A move of the batch.
    public struct Item: Sendable {
        /// The move as the queue sees it.
        public var move: MoveQueue.Move
        /// Earlier items, by their place, without whose success this one is not begun.
        public var after: [Int]

        /// States an item.
        public init(_ move: MoveQueue.Move, after: [Int] = []) {
            self.move = move
            self.after = after
        }
    }

    /// What happens, for whoever shows it; items by their place.
    public enum Event: Sendable {
        /// These wait, and for what.
        case waiting([MoveQueue.Waiting])
        /// A move has begun, as it is asked for.
        case began(Int, MoveRequest)
        /// Something happens in a move.
        case move(Int, MigrationEvent)
        /// A move has ended.
        case ended(Int, MoveOutcome)
        /// A move that was to begin was refused, since moves of others have a host's slots, and waits
        /// again.
        case refused(Int, MoveOutcome)
        /// A move has failed in a way that may pass, and is made once more after a pause.
        case putOff(Int, MoveOutcome, pause: Duration)
        /// A move will not begin.
        case notBegun(Int, LivemigError)
        /// So many bytes of a guest are saved or restored, before or after the moves.
        case storing(VMName, GuestWork, done: UInt64, total: UInt64)
        /// Something that a host has said after its moves, and that changes nothing of them.
        case warning(HostName, Finding)
        /// Something that the operator did or should know, as a sentence.
        case note(String)
    }

    /// What is done with guests that do not move.
    public enum GuestWork: Sendable {
        /// Saved to files of their host.
        case saving
        /// Restored, or started.
        case starting
        /// Powered off.
        case stopping
    }

    /// How an item ended.
    public enum Result: Sendable {
        /// The move was made, or failed.
        case ended(MoveOutcome)
        /// It was not begun.
        case notBegun(LivemigError)

        /// The error, where there is one.
        public var error: LivemigError? {
            switch self {
            case .ended(let outcome): outcome.error
            case .notBegun(let error): error
            }
        }
    }

    private enum Input: Sendable {
        case ended(Int, MoveOutcome)
        case observed([HostName: HostSettings])
        /// The pause of a move that was put off is over.
        case tryAgain(Int)
        case interrupt
    }

    /// How often a host is asked whether moves of others have ended.
    static let interval = Duration.seconds(2)
    /// The least that a move waits for moves of others, however short its own limit is.
    static let leastPatience = Duration.seconds(5 * 60)

    /// What happens, in order; ends with `close`.
    public let events: AsyncStream<Event>
    private let show: AsyncStream<Event>.Continuation
    private let inputs: AsyncStream<Input>
    private let supply: AsyncStream<Input>.Continuation
    private let items: [Item]
    private let limits: MoveQueue.Limits
    private let template: MoveTemplate
    private let control: HostControl
    private let interruptions = Mutex<(count: Int, giveUp: (@Sendable () -> Void)?)>((0, nil))

    /// States the moves; `run` makes them.
    ///
    /// - Parameters:
    ///   - items: the moves; of one guest only one at a time is ready to begin.
    ///   - limits: how many there may be at once.
    ///   - template: how each behaves.
    ///   - control: the hosts.
    public init(
        _ items: [Item], limits: MoveQueue.Limits, template: MoveTemplate, control: HostControl
    ) {
        self.items = items
        self.limits = limits
        self.template = template
        self.control = control
        (events, show) = AsyncStream.makeStream()
        (inputs, supply) = AsyncStream.makeStream()
    }

    /// Asks for the end: the first time no further move begins and those under way are finished,
    /// the second time these are given up, as `Migration.interrupt` says.
    public func interrupt() {
        let giveUp = interruptions.withLock { state in
            state.count += 1
            return state.count > 1 ? state.giveUp : nil
        }
        giveUp?()
        supply.yield(.interrupt)
    }

    /// Whether the end was asked for.
    var isInterrupted: Bool { interruptions.withLock { $0.count > 0 } }

    /// Whether what is under way is to be given up.
    var isGivenUp: Bool { interruptions.withLock { $0.count > 1 } }

    /// Runs work beside the moves, which a second request for the end cancels.
    func givingUp<Value: Sendable>(
        _ work: @escaping @Sendable () async -> Value
    ) async -> Value {
        let task = Task { await work() }
        let isLate = interruptions.withLock { state in
            state.giveUp = { task.cancel() }
            return state.count > 1
        }
        if isLate { task.cancel() }
        let value = await task.value
        interruptions.withLock { $0.giveUp = nil }
        return value
    }

    /// Ends the events.
    public func close() { show.finish() }

    /// Tells what happens besides the moves.
    func tell(_ event: Event) { show.yield(event) }

    /// Makes the moves; called once.
    /// - Returns: how each item ended, in the items' order.
    public func run() async -> [Result] {
        await control.keepingConversations { host, finding in
            show.yield(.warning(host, finding))
        } _: { control in
            await run(by: control)
        }
    }

    private func run(by control: HostControl) async -> [Result] {
        await withTaskGroup(of: Void.self) { group in
            var course = Course(
                items, limits, patience: max(template.policy.timeout, Self.leastPatience))
            var running: [Int: Migration] = [:]
            var isAsking = false
            // Asked for before the moves, such as while a hook ran.
            if isInterrupted { course.hold() }
            begin(course.start(), by: control, &running, &group)
            ask(for: course, by: control, &isAsking, &group)
            tell(&course)
            if course.isOver { return course.results }
            for await input in inputs {
                switch input {
                case .ended(let index, let outcome):
                    running[index] = nil
                    begin(end(index, outcome, &course, &group), by: control, &running, &group)
                case .tryAgain(let index):
                    begin(course.tryAgain(index), by: control, &running, &group)
                case .observed(let settings):
                    isAsking = false
                    begin(course.observed(settings, at: .now), by: control, &running, &group)
                case .interrupt: interrupt(&course, running)
                }
                ask(for: course, by: control, &isAsking, &group)
                tell(&course)
                if course.isOver { break }
            }
            // All that is left is a question whose answer nobody needs.
            group.cancelAll()
            return course.results
        }
    }

    /// - Returns: the items to begin.
    private func end(
        _ index: Int, _ outcome: MoveOutcome, _ course: inout Course,
        _ group: inout TaskGroup<Void>
    ) -> [Int] {
        if let slot = course.slot(refusing: outcome, of: index) {
            show.yield(.refused(index, outcome))
            return course.refused(index, for: slot)
        }
        guard course.isSecondTryDue(after: outcome, of: index) else {
            show.yield(.ended(index, outcome))
            return course.ended(index, outcome)
        }
        show.yield(.putOff(index, outcome, pause: SecondTry.pause))
        group.addTask { [supply] in
            // Cancelled once the batch is over.
            guard (try? await Task.sleep(for: SecondTry.pause)) != nil else { return }
            supply.yield(.tryAgain(index))
        }
        return course.putOff(index, after: outcome)
    }

    /// Asks hosts for the moves of others that something waits for, one question at a time.
    private func ask(
        for course: Course, by control: HostControl, _ isAsking: inout Bool,
        _ group: inout TaskGroup<Void>
    ) {
        let names = course.hostsToAsk
        guard !isAsking, !names.isEmpty else { return }
        isAsking = true
        group.addTask { [supply] in
            // Cancelled once the batch is over.
            guard (try? await Task.sleep(for: Self.interval)) != nil else { return }
            let hosts = names.compactMap { try? control.directory.host($0) }
            let answers = await askAll(hosts) { host async throws(LivemigError) in
                try await control.talk(to: host) { agent async throws(LivemigError) in
                    try await agent.settings()
                }
            }
            let known = answers.compactMap { answer in answer.value.map { (answer.host.name, $0) } }
            supply.yield(.observed(Dictionary(known, uniquingKeysWith: { first, _ in first })))
        }
    }

    private func begin(
        _ indices: [Int], by control: HostControl, _ running: inout [Int: Migration],
        _ group: inout TaskGroup<Void>
    ) {
        for index in indices {
            let request = template.request(for: items[index].move)
            let migration = Migration(request, control)
            running[index] = migration
            show.yield(.began(index, request))
            group.addTask { [show, supply] in
                async let outcome = migration.run()
                for await event in migration.events { show.yield(.move(index, event)) }
                supply.yield(.ended(index, await outcome))
            }
        }
    }

    private func tell(_ course: inout Course) {
        for (index, error) in course.takeNotBegun() { show.yield(.notBegun(index, error)) }
        let waiting = course.isHeld ? [] : course.waiting
        if !waiting.isEmpty { show.yield(.waiting(waiting)) }
    }

    private func interrupt(_ course: inout Course, _ running: [Int: Migration]) {
        if course.isHeld {
            for migration in running.values { migration.interrupt() }
            show.yield(.note("giving up the moves under way"))
        } else {
            for (index, outcome) in course.hold() { show.yield(.ended(index, outcome)) }
            show.yield(
                .note(
                    "no further move begins; \(running.count) under way are finished, "
                        + "interrupt again to give them up"))
        }
    }
}
