import MigrationModel
import Ownership

/// People who type commands, at random and without knowing of each other.
extension World {
    func operate() {
        guard !isQuiet else { return }
        clock.plan(.operation, after: random.number(in: 0...2 * faults.operationInterval))
        switch random.below(24) {
        case 0..<9: MoveCommand(to: random.below(hosts.count), in: self).begin(in: self)
        case 9..<17: RecoverCommand(in: self).begin(in: self)
        case 17: StatusCommand(in: self).begin(in: self)
        case 18: command(.cancelMachine, on: random.below(hosts.count))
        case 19: interruptMove()
        case 20: if random.chance(100) { command(.stopMachine, on: random.below(hosts.count)) }
        case 21: startSomewhere()
        default: if faults.has(.force) { force() }
        }
    }

    private func command(_ message: Message, on host: Int) {
        SimpleCommand(message, on: host, in: self).begin(in: self)
    }

    /// A step that was sent may be sent again, when the world is another.
    func echo(_ step: RecoveryStep, on host: Int) {
        guard faults.has(.echo), !isQuiet, random.chance(200) else { return }
        clock.plan(.late(step, host: host), after: random.below(60_000))
    }

    func repeatStep(_ step: RecoveryStep, on host: Int) {
        if !isQuiet { command(.recover(step), on: host) }
    }

    private func interruptMove() {
        let moves = processes.keys.sorted().compactMap { processes[$0] as? MoveCommand }
        guard !moves.isEmpty else { return }
        random.element(of: moves).interrupt(in: self)
    }

    /// A cold start, which an operator asks for only when every host answers and one alone owns.
    func startSomewhere() {
        let owners = hosts.indices.filter { hosts[$0].disk.right.mayRun }
        guard owners.count == 1, hosts.allSatisfy(\.isOn), let owner = owners.first,
            hosts[owner].hypervisor?.isAlive != true
        else { return }
        command(.startMachine, on: owner)
    }

    /// Takes the right that a host may hold which is off.
    ///
    /// The fencing is no lie: all other hosts are off that are not known to be without the right,
    /// and stay off until the command has ended.
    private func force() {
        let candidates = hosts.indices.filter { host in
            guard hosts[host].isOn else { return false }
            switch hosts[host].disk.right {
            case .released, .ready: break
            default: return false
            }
            let others = hosts.indices.filter { $0 != host }
            return others.contains { !hosts[$0].isOn }
                && others.allSatisfy {
                    !hosts[$0].isOn || !hosts[$0].disk.right.isConcerned
                }
        }
        guard !candidates.isEmpty else { return }
        let host = random.element(of: candidates)
        guard let fenced = hosts.indices.first(where: { $0 != host && !hosts[$0].isOn }) else {
            return
        }
        let local = SimpleCommand(
            .recover(.seize(fenced: String(fenced))), on: host, in: self, isPatient: true)
        for other in hosts.indices where other != host && !hosts[other].isOn {
            hosts[other].fencedBy = local.id
        }
        local.begin(in: self)
    }
}

extension Right {
    /// Whether the host may hold the right, or could be given it.
    fileprivate var isConcerned: Bool {
        switch self {
        case .none, .gone, .aborted: false
        default: true
        }
    }
}

/// `livemig status`: asks and changes nothing.
final class StatusCommand: SurveyingController {
    init(in world: World) { super.init("status", in: world) }

    override func surveyed(in world: World) {
        finish(
            reports.keys.sorted().map { host in
                "\(world.name(host)) \(reports[host]?.view.right.brief ?? "")"
            }.joined(separator: ", "), in: world)
    }
}

/// A command that is one request to one host.
final class SimpleCommand: Controller {
    private let message: Message
    private let target: Int
    /// Whether it waits for an answer however long that takes: whoever has fenced a host keeps it
    /// off until then.
    private let isPatient: Bool

    init(_ message: Message, on host: Int, in world: World, isPatient: Bool = false) {
        self.message = message
        self.isPatient = isPatient
        target = host
        super.init("command", in: world)
    }

    override func begin(in world: World) {
        world.note(name, "\(world.name(target)): \(message)")
        guard send(message, to: target, in: world) else {
            return finish("unreachable", in: world)
        }
        if !isPatient { world.set(.patience, of: id, after: Self.patience) }
    }

    override func heard(_ answer: Message, from host: Int, in world: World) {
        finish("\(answer)", in: world)
    }

    override func fired(_ timer: Timer, in world: World) {
        if timer == .patience { finish("no answer", in: world) }
    }
}
