import MigrationModel
import Ownership

/// `livemig move`: survey, preparation, and the two agents' words until the result.
///
/// The order of steps is that of `MovePreparation`, `Migration` and `MoveConversation` in
/// `Sources/Controller/Orchestrator`.
final class MoveCommand: SurveyingController {
    private enum Stage {
        case surveying
        case preparing(Attempt)
        case moving(Attempt)
    }

    private let destination: Int
    private var source = 0
    private var stage = Stage.surveying
    private var hasFailed = false

    private static let prepareLimit = 30_000
    /// How long the other agent may take to say more, and a source that cannot be heard.
    private static let reasonLimit = 20_000

    init(to destination: Int, in world: World) {
        self.destination = destination
        super.init("move", in: world)
    }

    override func surveyed(in world: World) {
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
        case .moving(let attempt): moving(attempt, message, from: host, in: world)
        }
    }

    private func prepared(_ attempt: Attempt, _ message: Message, in world: World) {
        switch message {
        case .prepared:
            stage = .moving(attempt)
            world.set(.patience, of: id, after: 4 * Self.prepareLimit)
            start(attempt, in: world)
        default: finish("destination not prepared", in: world)
        }
    }

    private func start(_ attempt: Attempt, in world: World) {
        let message = Message.startOutgoing(attempt, to: destination, keepPaused: false)
        if !send(message, to: source, in: world) { finish("unreachable", in: world) }
    }

    private func moving(
        _ attempt: Attempt, _ message: Message, from host: Int, in world: World
    ) {
        switch message {
        case .moved(let isClean) where host == source:
            if isClean { world.checkSuccess(of: attempt, from: source, to: destination) }
            finish(isClean ? "exit 0" : "exit 6, copy left over", in: world)
        case .failed(let error) where host == source:
            finish("exit \(error.code.exitCode.rawValue), \(error.code.rawValue)", in: world)
        case .failed, .end:
            guard !hasFailed else { return finish("failed", in: world) }
            hasFailed = true
            world.set(.patience, of: id, after: Self.reasonLimit)
        default: break
        }
    }

    override func patienceEnded(in world: World) { finish("no result", in: world) }

    /// The operator presses Ctrl-C.
    func interrupt(in world: World) {
        guard case .moving = stage else { return finish("cancelled", in: world) }
        world.note(name, "Ctrl-C")
        send(.cancelOwnMove, to: source, in: world)
    }
}
