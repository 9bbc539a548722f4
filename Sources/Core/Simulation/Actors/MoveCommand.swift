import Handoff
import MigrationModel
import Ownership

/// `livemig move`: survey, preparation, and then the production machine of the controller, until it
/// has asked where the guest is.
final class MoveCommand: SurveyingController {
    private enum Stage {
        case surveying
        case preparing(Attempt)
        case moving(Attempt, ControllerMove)
        case asking(ControllerMove.Ending)
    }

    private let destination: Int
    private var source = 0
    private var stage = Stage.surveying
    /// The newest time limit of the production machine.
    private var deadline = 0

    private static let prepareLimit = 30_000

    init(to destination: Int, in world: World) {
        self.destination = destination
        super.init("move", in: world)
    }

    override func surveyed(in world: World) {
        if case .asking(let ending) = stage { return conclude(ending, in: world) }
        let owners = reports.keys.sorted().filter { reports[$0]?.view.right.mayRun == true }
        guard owners.count == 1, let owner = owners.first, owner != destination,
            let there = reports[destination], !there.isDefined,
            let here = reports[owner], here.view.guest == .running, !here.view.right.isIntent,
            let epoch = max(here.view.right.epoch, there.view.right.epoch).next
        else { return finish("refused before it began", in: world) }
        source = owner
        prepare(Attempt(migration: world.newMigration(), epoch: epoch), in: world)
    }

    private func prepare(_ attempt: Attempt, in world: World) {
        stage = .preparing(attempt)
        world.set(.patience, of: id, after: Self.prepareLimit)
        let message = Message.prepare(attempt, source: source)
        if !send(message, to: destination, in: world) { finish("unreachable", in: world) }
    }

    override func answered(_ message: Message, from host: Int, in world: World) {
        switch stage {
        case .surveying: break
        case .preparing(let attempt):
            guard host == destination else { return }
            prepared(attempt, message, in: world)
        case .moving:
            guard host == source || host == destination else { return }
            let side: ControllerMove.Side = host == source ? .source : .destination
            Self.input(message, side, in: world).map { handle($0, in: world) }
        case .asking: break
        }
    }

    private func prepared(_ attempt: Attempt, _ message: Message, in world: World) {
        switch message {
        case .prepared:
            guard let names = world.names(source, destination) else { return }
            stage = .moving(
                attempt,
                ControllerMove(source: names.0, destination: names.1, verification: .pages))
            world.set(.patience, of: id, after: 4 * Self.prepareLimit)
            start(attempt, in: world)
        default: finish("destination not prepared", in: world)
        }
    }

    private func start(_ attempt: Attempt, in world: World) {
        let message = Message.startOutgoing(attempt, to: destination, keepPaused: false)
        if !send(message, to: source, in: world) { finish("unreachable", in: world) }
    }

    // MARK: The production machine

    private func handle(_ input: ControllerMove.Input, in world: World) {
        guard case .moving(let attempt, var move) = stage else { return }
        let effects = move.handle(input)
        stage = .moving(attempt, move)
        for effect in effects {
            switch effect {
            case .show(.note(let text)): world.note(name, text)
            case .show: break
            case .sendCancel: send(.cancelOwnMove, to: source, in: world)
            case .wake(let after, let number):
                deadline = number
                world.set(.patience, of: id, after: after.ticks)
            case .end(let ending): end(ending, of: attempt, in: world)
            }
        }
    }

    /// What an agent's message is to the machine; `nil` where it is nothing.
    private static func input(
        _ message: Message, _ side: ControllerMove.Side, in world: World
    ) -> ControllerMove.Input? {
        switch message {
        case .committed: .message(side, .phase(.committed))
        case .moved(let isClean): .message(side, .moved(report(isClean)))
        case .failed(let error): .message(side, .failed(error))
        case .end: .lost(side, LivemigError(.disconnected, "the agent has gone"))
        default: nil
        }
    }

    private static func report(_ isClean: Bool) -> MigrationReport {
        MigrationReport(
            rounds: 1, transfer: .zero, downtime: Downtime(), guestBytes: .mebibytes(64),
            wireBytes: 0, pages: PageCounts(), epoch: Epoch(0), sourceIsClean: isClean,
            isRunning: true)
    }

    private func end(
        _ ending: ControllerMove.Ending, of attempt: Attempt, in world: World
    ) {
        if case .moved(_, let incomplete) = ending {
            if incomplete == nil {
                world.checkSuccess(of: attempt, from: source, to: destination)
            }
            return finish(Self.words(incomplete), in: world)
        }
        stage = .asking(ending)
        hangUp(in: world)
        survey(in: world)
    }

    /// A failure is called by where the hosts say that the guest is.
    private func conclude(_ ending: ControllerMove.Ending, in world: World) {
        guard let (_, there) = world.names(source, destination) else { return }
        let asked = reports.filter { [source, destination].contains($0.key) }
        let guest = world.location(by: asked).guest
        guard case .failed(let error) = OutcomeReconciliation.ending(ending, guest, to: there)
        else { return }
        finish(Self.words(error), in: world)
    }

    private static func words(_ error: LivemigError?) -> String {
        guard let code = error?.code else { return "exit 0" }
        return "exit \(code.exitCode.rawValue), \(code.rawValue)"
    }

    override func patienceEnded(in world: World) {
        guard case .moving = stage else { return finish("no result", in: world) }
        guard deadline == 0 else { return handle(.deadline(deadline), in: world) }
        handle(.lost(.source, LivemigError(.stall, "the agent is silent")), in: world)
    }

    /// The operator presses Ctrl-C.
    func interrupt(in world: World) {
        switch stage {
        case .moving:
            world.note(name, "Ctrl-C")
            handle(.interrupt, in: world)
        case .asking: break
        case .surveying, .preparing: finish("cancelled", in: world)
        }
    }
}

extension World {
    /// The names of two hosts.
    func names(_ one: Int, _ other: Int) -> (HostName, HostName)? {
        guard let first = try? HostName(letter(one)), let second = try? HostName(letter(other))
        else { return nil }
        return (first, second)
    }
}
