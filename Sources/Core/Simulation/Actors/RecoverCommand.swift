import Handoff
import MigrationModel
import Ownership

/// `livemig recover`: asks all hosts, and has the production machine choose the hosts and their
/// steps.
final class RecoverCommand: SurveyingController {
    private var run: RecoveryRun?
    private var next = RecoveryRun.Effect.end(nil)
    private var awaited: Int?

    private static let stepLimit = 15_000

    init(in world: World) { super.init("recover", in: world) }

    override func surveyed(in world: World) {
        if run == nil {
            let location = world.location(by: reports)
            world.note(name, "\(location.pair.verdict)")
            do throws(LivemigError) {
                var run = try RecoveryRun(of: location, world.decision(about: location))
                next = run.begin()
                self.run = run
            } catch {
                return finish("refused, \(error.code.rawValue)", in: world)
            }
        }
        perform(in: world)
    }

    private func perform(in world: World) {
        guard case .perform(let step, let name) = next, let host = world.host(named: name) else {
            return finish("recovered", in: world)
        }
        world.note(self.name, "\(world.name(host)): \(step.brief)")
        guard send(.recover(step), to: host, in: world) else {
            return finish("unreachable", in: world)
        }
        world.echo(step, on: host)
        awaited = host
        world.set(.patience, of: id, after: Self.stepLimit)
    }

    override func answered(_ message: Message, from host: Int, in world: World) {
        guard host == awaited else { return }
        awaited = nil
        next = run?.handle(Self.input(message)) ?? .end(nil)
        if case .end(let error) = next {
            return finish(error.map { "ended, \($0.code.rawValue)" } ?? "recovered", in: world)
        }
        let hesitates = world.faults.has(.slowOperators) && !world.isQuiet
        let delay = hesitates && world.random.chance(500) ? world.random.below(60_000) : 0
        guard delay > 0 else { return perform(in: world) }
        world.set(.step, of: id, after: delay)
    }

    private static func input(_ message: Message) -> RecoveryRun.Input {
        switch message {
        case .done: .done
        case .failed(let error): .failed(error)
        default: .failed(LivemigError(.disconnected, "the agent has gone"))
        }
    }

    override func patienceEnded(in world: World) {
        if awaited != nil { finish("no answer", in: world) }
    }
}

extension World {
    /// The VM of this world.
    private static let vm = "guest"
    private static let uuid = VMUUID(Bits128(high: 0, low: 1))

    /// A host by the name that people and records use.
    func host(named name: HostName) -> Int? { hosts.indices.first { letter($0) == name.text } }

    /// Where the VM is by what hosts have said; a host without a word is silent.
    func location(by reports: [Int: HostReport]) -> VMLocation {
        let entries = hosts.indices.compactMap { host -> VMLocation.Entry? in
            guard let name = try? HostName(letter(host)) else { return nil }
            guard let report = reports[host] else {
                return .init(host: name, view: .silent(LivemigError(.connect, "no answer")))
            }
            return entry(report, of: name)
        }
        return VMLocation(of: Self.vm, misread(entries))
    }

    private func entry(_ report: HostReport, of name: HostName) -> VMLocation.Entry {
        if case .none = report.view.right, !report.isDefined {
            return .init(host: name, view: .absent)
        }
        let record = OwnershipRecord(
            uuid: Self.uuid, right: report.view.right,
            peer: report.peer < 0 ? "" : letter(report.peer), time: 0)
        let machine = MachineSummary(
            name: Self.vm, uuid: Self.uuid, kind: .synthetic, state: report.view.guest,
            memory: .mebibytes(64), vcpus: 1, right: report.view.right)
        return .init(
            host: name, view: .record(record, report.view.guest),
            machine: report.isDefined ? machine : nil)
    }

    /// The operator knows which host was fenced, and names it when it claims the VM again.
    func decision(about location: VMLocation) -> RecoveryDecision? {
        let owners = location.entries.compactMap { entry -> (HostName, Epoch)? in
            guard case .record(let record, _) = entry.view, record.right.mayRun else { return nil }
            return (entry.host, record.right.epoch)
        }
        let loser = owners.first { one in owners.contains { $0.1.isForced(beyond: one.1) } }
        return loser.map { .overruled($0.0) }
    }
}
