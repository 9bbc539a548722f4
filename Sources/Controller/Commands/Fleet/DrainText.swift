import MigrationModel
import Orchestrator
import Planner

/// Drains as text.
enum DrainText {
    /// What becomes of each guest, and what it comes to.
    static func plan(_ proposal: DrainProposal, _ forecast: DrainForecast? = nil) -> [String] {
        let plan = proposal.plan
        let rows = plan.steps.enumerated().map { index, step in
            [
                "  \(index + 1).", step.guest.name.text, "\(step.guest.memory)",
                proposal.words(of: step) + words(forecast?.moves[step.guest.uuid]),
            ]
        }
        let damaged = plan.damaged.enumerated().map { index, machine in
            [
                "  \(rows.count + index + 1).", machine.name.text, "-",
                DrainPlan.Ending.blocked(machine.error).description,
            ]
        }
        let total = forecast?.total.map { ["predicted \($0.brief) for all moves together"] } ?? []
        let silent = proposal.silent.sorted { $0.key.text < $1.key.text }.map { host, error in
            "  \(host) does not answer (\(error.code.rawValue)): no guest goes there"
        }
        let answer =
            plan.empties
            ? "\(proposal.request.host) would be empty."
            : "\(proposal.request.host) would not be empty."
        return ["\(proposal.request.host): \(plan.summary)"] + TextTable.lines(rows + damaged)
            + silent.map { $0.onOneLine() } + total + [answer]
    }

    /// Such as `, 4.1–6.0 s, blackout 20–35 ms`, and what does not converge.
    private static func words(_ forecast: Result<Forecast, LivemigError>?) -> String {
        switch forecast {
        case nil: return ""
        case .failure(let error): return ", not predicted: \(error.code.rawValue) \(error.what)"
        case .success(let forecast):
            let prediction = forecast.prediction
            let doubt =
                prediction.convergence == .converges ? "" : ", \(prediction.convergenceWords)"
            return ", \(prediction.total.brief), blackout \(prediction.blackout.brief)\(doubt)"
        }
    }

    /// How a drain would end as far as the plan knows.
    static func exitCode(of proposal: DrainProposal) -> ExitCode {
        let errors =
            proposal.plan.steps.compactMap { step -> LivemigError? in
                if case .blocked(let error) = step.ending { error } else { nil }
            } + proposal.plan.damaged.map(\.error)
        let worst = ExitCode.worst(of: errors.map(\.code.exitCode))
        return worst == .success && !proposal.plan.empties ? .refused : worst
    }

    /// A table of all guests, and the proof.
    static func results(_ outcome: Drain.Outcome) -> [String] {
        let rows = outcome.results.map { result -> [String] in
            let words = words(result.ending)
            return [result.guest.text, words.state, words.more]
        }
        let head = rows.isEmpty ? [] : [["VM", "OUTCOME", ""]]
        guard case .success(let empty) = outcome.proof else { return TextTable.lines(head + rows) }
        return TextTable.lines(head + rows) + proof(empty)
    }

    private static func proof(_ empty: EmptyHost) -> [String] {
        let stopped =
            empty.stopped.isEmpty
            ? [] : ["Defined there and not running: \(empty.stopped.joined(separator: " "))"]
        let saved =
            empty.saved.isEmpty
            ? [] : ["Saved there: \(empty.saved.joined(separator: " "))"]
        return stopped + saved + [
            "\(empty.host) is empty: no guest runs there, none is on its way, and none can come "
                + "until livemig resume \(empty.host). It is safe to power off."
        ]
    }

    /// How a move to a host ended.
    static func words(
        _ result: MoveBatch.Result, to host: HostName
    ) -> (state: String, more: String) {
        guard case .ended(let outcome) = result else { return ("not begun", reason(result.error)) }
        guard case .moved(let report, _) = outcome.ending else {
            return ("not moved", reason(outcome.error))
        }
        return (
            "moved to \(host)",
            "blackout \(MoveText.stop(report.downtime)), \(outcome.total.brief)"
                + (outcome.error.map { ", \($0.code.rawValue)" } ?? "")
        )
    }

    private static func words(_ ending: Drain.Ending) -> (state: String, more: String) {
        switch ending {
        case .move(let host, let result): return words(result, to: host)
        case .save(nil): return ("saved", "")
        case .save(let error?): return ("not saved", reason(error))
        case .stop(nil): return ("powered off", "")
        case .stop(let error?): return ("not stopped", reason(error))
        case .left: return ("left", "")
        case .stopped: return ("not running", "")
        case .moving(let host): return ("on its way", "to \(host), by another's move")
        case .elsewhere(let host): return ("moved to \(host)", "by somebody else")
        case .removed: return ("removed", "by somebody else")
        case .blocked(let error): return ("not moved", reason(error))
        }
    }

    private static func reason(_ error: LivemigError?) -> String {
        error.map { "\($0.code.rawValue) \($0.what)" } ?? ""
    }
}

/// What a drain would do, in JSON.
struct DrainPlanDocument: Encodable {
    let event = "plan"
    let time = JSONText.time
    let host: String
    let empties: Bool
    let steps: [Step]
    let unreachable: [String]
    /// Of all moves together.
    let totalMs: SpanDocument<Double>?

    struct Step: Encodable {
        let vm: String
        let uuid: String?
        /// Unknown of a VM that cannot be read.
        let memoryBytes: UInt64?
        let priority: Int
        let action: String
        let destination: String?
        let stars: Double?
        let code: String?
        let reason: String
        let prediction: PredictionDocument?
    }

    init(_ proposal: DrainProposal, _ forecast: DrainForecast? = nil) {
        host = proposal.request.host.text
        empties = proposal.plan.empties
        unreachable = proposal.silent.keys.map(\.text).sorted()
        steps =
            proposal.plan.steps.map { step in
                let (action, destination, stars, error) = Self.facts(step.ending)
                return Step(
                    vm: step.guest.name.text, uuid: step.guest.uuid.description,
                    memoryBytes: step.guest.memory.bytes, priority: step.guest.priority.number,
                    action: action, destination: destination?.text, stars: stars,
                    code: error?.code.rawValue, reason: proposal.words(of: step),
                    prediction: (try? forecast?.moves[step.guest.uuid]?.get())
                        .map(PredictionDocument.init))
            } + proposal.plan.damaged.map(Self.step)
        totalMs = forecast?.total.map {
            SpanDocument($0.lowerBound.jsonMilliseconds, $0.upperBound.jsonMilliseconds)
        }
    }

    private static func step(_ machine: DamagedMachine) -> Step {
        Step(
            vm: machine.name.text, uuid: machine.uuid?.description, memoryBytes: nil,
            priority: Priority.medium.number, action: "blocked", destination: nil, stars: nil,
            code: machine.error.code.rawValue,
            reason: DrainPlan.Ending.blocked(machine.error).description, prediction: nil)
    }

    private static func facts(
        _ ending: DrainPlan.Ending
    ) -> (action: String, destination: HostName?, stars: Double?, error: LivemigError?) {
        switch ending {
        case .move(let host, let rating): ("live", host, rating.stars, nil)
        case .moving(let host): ("moving", host, nil, nil)
        case .save(let error): ("save", nil, nil, error)
        case .stop(let error): ("stop", nil, nil, error)
        case .leave(let error): ("leave", nil, nil, error)
        case .stopped: ("none", nil, nil, nil)
        case .blocked(let error): ("blocked", nil, nil, error)
        }
    }
}

/// `result`: the last line of a drain.
struct DrainResultEvent: Encodable {
    let event = "result"
    let time = JSONText.time
    let host: String
    let outcome: String
    let exitCode: Int32
    let safeToPowerOff: Bool
    let code: String?
    let vms: [VM]

    struct VM: Encodable {
        let name: String
        let outcome: String
        let destination: String?
        let code: String?
    }

    init(_ host: HostName, _ outcome: Drain.Outcome) {
        self.host = host.text
        exitCode = outcome.exitCode.rawValue
        switch outcome.proof {
        case .success:
            (self.outcome, safeToPowerOff, code) = ("empty", true, nil)
        case .failure(let error):
            (self.outcome, safeToPowerOff, code) = ("not-empty", false, error.code.rawValue)
        }
        vms = outcome.results.map { result in
            let (word, destination) = Self.word(result.ending)
            return VM(
                name: result.guest.text, outcome: word, destination: destination?.text,
                code: result.error?.code.rawValue)
        }
    }

    private static func word(_ ending: Drain.Ending) -> (String, HostName?) {
        switch ending {
        case .move(let host, .ended(let outcome)): (ResultEvent.word(outcome), host)
        case .move(let host, .notBegun): ("not-begun", host)
        case .save(let error): (error == nil ? "saved" : "failed", nil)
        case .stop(let error): (error == nil ? "stopped" : "failed", nil)
        case .left: ("left", nil)
        case .stopped: ("not-running", nil)
        case .moving(let host): ("moving", host)
        case .elsewhere(let host): ("moved-by-others", host)
        case .removed: ("removed", nil)
        case .blocked: ("refused", nil)
        }
    }
}
