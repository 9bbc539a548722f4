import MigrationModel
import Ownership

/// A process at the operator's place: connects to hosts, asks, and does one command.
class Controller: Process {
    /// The connections to hosts' agents.
    private var agents: [Int: Int] = [:]

    /// How long a host may take to answer a question.
    static let patience = 5_000

    init(_ command: String, in world: World) {
        let id = world.number()
        super.init(id, "\(command)\(id)", on: nil)
        world.add(self)
    }

    func begin(in world: World) {}
    func heard(_ message: Message, from host: Int, in world: World) {}

    /// Sends to a host's agent, which sshd starts if it is not there.
    /// - Returns: `false` when the host cannot be reached.
    @discardableResult
    func send(_ message: Message, to host: Int, in world: World) -> Bool {
        if agents[host] == nil { agents[host] = world.openAgent(on: host, for: self) }
        guard let agent = agents[host] else { return false }
        world.send(message, on: agent, from: id)
        return true
    }

    /// Ends all conversations.
    func hangUp(in world: World) {
        for host in agents.keys.sorted() { world.close(agents[host], by: id) }
        agents = [:]
    }

    override func received(_ message: Message, on connection: Int, in world: World) {
        guard let host = agents.first(where: { $0.value == connection })?.key else { return }
        if case .end = message { agents[host] = nil }
        heard(message, from: host, in: world)
    }

    func finish(_ result: String, in world: World) {
        world.note(name, result)
        world.end(id)
    }
}

extension World {
    /// Logs in on a host and starts an agent there.
    func openAgent(on host: Int, for controller: Process) -> Int? {
        let isReachable =
            controller.host != nil
            || blocked[Direction(from: -1, to: host), default: 0] <= now
        guard hosts[host].isOn, isReachable else { return nil }
        let agent = AgentProcess(number(), on: host, in: self)
        add(agent)
        let connection = connect(controller.id, agent.id)
        agent.controller = connection
        return connection
    }

    /// Connects the worker of a source with the one that waits for it.
    func openLink(for attempt: Attempt, from agent: AgentProcess, to host: Int) -> Int? {
        guard hosts[host].isOn,
            blocked[Direction(from: agent.place, to: host), default: 0] <= now
        else { return nil }
        for id in processes.keys.sorted() {
            guard let peer = processes[id] as? AgentProcess, peer.place == host,
                peer.awaits(attempt), peer.pausedUntil <= now
            else { continue }
            let link = connect(agent.id, id)
            peer.accept(link, in: self)
            return link
        }
        return nil
    }
}

/// A command that first asks all hosts what they know of the VM.
class SurveyingController: Controller {
    private(set) var reports: [Int: HostReport] = [:]
    private var awaited: Set<Int> = []
    private var isSurveying = false

    func surveyed(in world: World) {}
    func answered(_ message: Message, from host: Int, in world: World) {}
    func patienceEnded(in world: World) {}

    override func begin(in world: World) { survey(in: world) }

    func survey(in world: World) {
        (reports, awaited, isSurveying) = ([:], [], true)
        for host in world.hosts.indices where send(.look, to: host, in: world) {
            awaited.insert(host)
        }
        world.set(.patience, of: id, after: Self.patience)
        if awaited.isEmpty { endSurvey(in: world) }
    }

    override func heard(_ message: Message, from host: Int, in world: World) {
        guard isSurveying else { return answered(message, from: host, in: world) }
        if case .view(let report) = message { reports[host] = report }
        awaited.remove(host)
        if awaited.isEmpty { endSurvey(in: world) }
    }

    override func fired(_ timer: Timer, in world: World) {
        switch timer {
        case .patience:
            if isSurveying { endSurvey(in: world) } else { patienceEnded(in: world) }
        case .step: surveyed(in: world)
        default: break
        }
    }

    /// What was read may be acted on much later.
    private func endSurvey(in world: World) {
        isSurveying = false
        let hesitates = world.faults.has(.slowOperators) && !world.isQuiet
        let delay = hesitates && world.random.chance(500) ? world.random.below(60_000) : 0
        world.set(.step, of: id, after: delay)
    }
}
