import MigrationModel
import Ownership

/// `livemig recover`: decides for every pair of hosts that a hand-over can be between, and has the
/// steps of the verdict done in order.
final class RecoverCommand: SurveyingController {
    private typealias Task = (step: RecoveryStep, host: Int)

    /// A plan for each pair; a failed step ends the plan of its pair.
    private var plans: [[Task]] = []
    private var awaited: Int?

    private static let stepLimit = 15_000

    init(in world: World) { super.init("recover", in: world) }

    override func surveyed(in world: World) {
        guard plans.isEmpty, awaited == nil else { return next(in: world) }
        for source in reports.keys.sorted() {
            for destination in counterparts(of: source) { plan(source, destination, in: world) }
        }
        next(in: world)
    }

    /// The hosts that a hand-over from a host can have gone to.
    private func counterparts(of source: Int) -> [Int?] {
        guard let report = reports[source] else { return [] }
        switch report.view.right {
        case .intent, .released: return [report.peer >= 0 ? report.peer : nil]
        case .owner:
            let others = reports.keys.sorted().filter { other in
                guard other != source, let right = reports[other]?.view.right else { return false }
                return right.isCopyWaiting || right.mayRun
            }
            return others.isEmpty ? [nil] : others
        case .none, .gone, .armed, .ready, .aborted: return []
        }
    }

    private func plan(_ source: Int, _ destination: Int?, in world: World) {
        let views = (reports[source]?.view, destination.flatMap { reports[$0]?.view })
        let verdict = Verdict.decide(source: views.0, destination: views.1)
        world.note(name, "\(world.name(source)) \(views.0?.right.brief ?? ""): \(verdict)")
        var tasks = overruled(source, destination)
        for step in verdict.steps(source: views.0, destination: views.1) {
            switch step {
            case .source(let step): tasks.append((step, source))
            case .destination(let step):
                if let destination { tasks.append((step, destination)) }
            }
        }
        if !tasks.isEmpty { plans.append(tasks) }
    }

    /// The operator knows which host was fenced, and names it when it claims the VM again.
    private func overruled(_ source: Int, _ destination: Int?) -> [Task] {
        guard let destination, let here = reports[source]?.view,
            let there = reports[destination]?.view
        else { return [] }
        if there.right.epoch.isForced(beyond: here.right.epoch) {
            return Verdict.overruling(here, for: there).map { [($0, source)] } ?? []
        }
        guard here.right.epoch.isForced(beyond: there.right.epoch) else { return [] }
        return Verdict.overruling(there, for: here).map { [($0, destination)] } ?? []
    }

    private func next(in world: World) {
        while let first = plans.first {
            guard let task = first.first else {
                plans.removeFirst()
                continue
            }
            plans[0].removeFirst()
            world.note(name, "\(world.name(task.host)): \(task.step.brief)")
            guard send(.recover(task.step), to: task.host, in: world) else {
                plans.removeFirst()
                continue
            }
            world.echo(task.step, on: task.host)
            awaited = task.host
            return world.set(.patience, of: id, after: Self.stepLimit)
        }
        finish("recovered", in: world)
    }

    override func answered(_ message: Message, from host: Int, in world: World) {
        guard host == awaited else { return }
        awaited = nil
        if case .done = message {} else if !plans.isEmpty { plans.removeFirst() }
        let hesitates = world.faults.has(.slowOperators) && !world.isQuiet
        let delay = hesitates && world.random.chance(500) ? world.random.below(60_000) : 0
        if plans.isEmpty { return finish("recovered", in: world) }
        guard delay > 0 else { return next(in: world) }
        world.set(.step, of: id, after: delay)
    }

    override func patienceEnded(in world: World) {
        if awaited != nil { finish("no answer", in: world) }
    }
}
