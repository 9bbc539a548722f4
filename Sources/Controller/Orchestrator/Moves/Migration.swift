import CrashPoints
import FrameTransport
import Handoff
import LinuxSystem
import MigrationModel
import Synchronization
import WireProtocol

/// One move of one VM, from the search for it to its result.
///
/// Both agents do the work; this follows it, shows it, and says at the end where the guest is.
public final class Migration: Sendable {
    private enum Stage {
        case idle
        case preparing(Task<Result<Prepared, LivemigError>, Never>)
        case talking
        case interrupted
    }

    /// A move that both hosts are ready for.
    struct Prepared: Sendable {
        let survey: MoveSurvey
        let plan: MovePlan
        let terms: MoveTerms
        let attempt: Attempt
        /// The XML document, as the destination was given it.
        let definition: String
        let secret: Secret<UInt64>
        /// Since when the time before the switchover counts.
        let began: MonotonicTime
    }

    /// What happens, in order; ends with the move.
    public let events: AsyncStream<MigrationEvent>
    let show: AsyncStream<MigrationEvent>.Continuation
    let inputs: AsyncStream<ControllerMove.Input>
    let supply: AsyncStream<ControllerMove.Input>.Continuation
    let request: MoveRequest
    let control: HostControl
    private let stage = Mutex(Stage.idle)
    private let forecast = Mutex<Forecast?>(nil)
    private let surveyed = Mutex<(source: HostName, machine: MachineSummary)?>(nil)
    let started = MonotonicTime.now

    /// States a move; `run` makes it.
    public init(_ request: MoveRequest, _ control: HostControl) {
        self.request = request
        self.control = control
        (events, show) = AsyncStream.makeStream()
        (inputs, supply) = AsyncStream.makeStream()
    }

    /// Asks for the move to be given up.
    ///
    /// Before the commit the guest stays on the source; after it, a
    /// second call leaves the rest to the hosts.
    public func interrupt() {
        let task = stage.withLock { stage -> Task<Result<Prepared, LivemigError>, Never>? in
            switch stage {
            case .preparing(let task): return task
            case .idle: stage = .interrupted
            case .talking, .interrupted: break
            }
            return nil
        }
        if let task { task.cancel() } else { supply.yield(.interrupt) }
    }

    /// Makes the move; called once.
    public func run() async -> MoveOutcome {
        defer { show.finish() }
        let prepared: Prepared
        do throws(LivemigError) {
            prepared = try await prepare()
        } catch {
            return outcome(.failed(error), attempt: nil, guest: error.guest ?? surveyedGuest)
        }
        if request.isDryRun {
            await prepared.survey.close()
            return outcome(.planned(prepared.plan), attempt: nil, guest: surveyedGuest)
        }
        CrashPoint.reach(.controllerPrepared)
        let (ending, sides, total, isQuiet) = await transfer(prepared)
        if isQuiet {
            await prepared.survey.release(to: control)
        } else {
            await prepared.survey.close(grace: .zero)
        }
        CrashPoint.reach(.controllerClosed)
        let guest = await guest(after: ending, prepared)
        return outcome(
            .init(
                OutcomeReconciliation.ending(
                    ending, guest, to: prepared.plan.destination)),
            attempt: prepared.attempt, guest: guest, sides: sides, total: total)
    }

    private func outcome(
        _ ending: MoveOutcome.Ending, attempt: Attempt?, guest: GuestLocation?,
        sides: ControllerMove.SideErrors = .init(), total: Duration? = nil
    ) -> MoveOutcome {
        var outcome = MoveOutcome(
            vm: request.vm, migration: attempt?.migration,
            source: surveyed.withLock { $0?.source } ?? request.vm.host ?? request.source,
            destination: request.destination, total: total ?? started.elapsed, ending: ending,
            guest: guest, sides: sides)
        outcome.forecast = forecast.withLock { $0 }
        return outcome
    }

    private var surveyedGuest: GuestLocation? {
        surveyed.withLock { known in
            known.map {
                GuestLocation(
                    vm: $0.machine.name, state: $0.machine.state, host: $0.source.text,
                    epoch: $0.machine.epoch)
            }
        }
    }

    // MARK: Before the move

    private func prepare() async throws(LivemigError) -> Prepared {
        let task = Task { () async -> Result<Prepared, LivemigError> in
            do throws(LivemigError) {
                return .success(try await self.surveyAndPrepare())
            } catch {
                return .failure(error)
            }
        }
        let wasInterrupted = stage.withLock { stage -> Bool in
            if case .interrupted = stage { return true }
            stage = .preparing(task)
            return false
        }
        if wasInterrupted { task.cancel() }
        let result = await task.value
        stage.withLock { $0 = .talking }
        guard task.isCancelled else { return try result.get() }
        if case .success(let prepared) = result { await prepared.survey.close() }
        throw LivemigError(
            .cancelled, "cancelled before the move began", at: "VM \(request.vm)")
    }

    private func surveyAndPrepare() async throws(LivemigError) -> Prepared {
        let survey = try await MoveSurvey.make(request, control)
        do {
            CrashPoint.reach(.controllerSurveyed)
            note(survey)
            var plan = try MovePlan(
                moving: request.vm.name, from: survey.source.side, to: survey.destination.side,
                policy: request.policy)
            var inspection = await MoveInspection.make(request, survey)
            // A move opens its lanes next, and says itself why it cannot.
            if request.isDryRun { inspection = await inspection.trying(request, survey) }
            let terms = try inspection.terms(request, survey)
            plan.networks = request.networks
            plan.warnings += try inspection.admit(isDryRun: request.isDryRun)
            show.yield(.planned(plan))
            try await predict(plan, terms, survey)
            let secret = Secret(UInt64.random(in: .min ... .max))
            let definition = try inspection.definition.get()
            let preparation = MovePreparation(
                survey: survey, vm: request.vm.name, uuid: plan.machine.uuid,
                definition: definition, secret: secret, networks: request.networks)
            let (began, epoch) = (MonotonicTime.now, plan.epoch)
            let attempt =
                request.isDryRun
                ? Attempt(migration: .random(), epoch: plan.epoch)
                : try await inTime { () async throws(LivemigError) in
                    try await preparation.run(from: epoch)
                }
            if !request.isDryRun { show.yield(.prepared(attempt)) }
            return Prepared(
                survey: survey, plan: plan, terms: terms, attempt: attempt,
                definition: definition, secret: secret, began: began)
        } catch {
            await survey.close()
            throw error
        }
    }

    /// Does what must be done before the time for the move is over, where that ends it.
    private func inTime<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(LivemigError) -> Value
    ) async throws(LivemigError) -> Value {
        guard request.policy.onTimeout == .abort else { return try await body() }
        let late = LivemigError(
            .timeout, "the destination was not ready when the time was over",
            at: request.destination.text, fix: "raise --timeout")
        return try await withDeadline(request.policy.timeout, late: late, body)
    }

    /// Measures and predicts, where that is wanted; a move is made without a prediction that cannot
    /// be had.
    /// - Throws: the reason why it cannot, when nothing but the plan is wanted.
    private func predict(
        _ plan: MovePlan, _ terms: MoveTerms, _ survey: MoveSurvey
    ) async throws(LivemigError) {
        guard let wanted = request.forecast else { return }
        show.yield(.measuring)
        do throws(LivemigError) {
            let found = try await Forecast.make(
                wanted, plan.machine, terms, from: survey.source.agent)
            forecast.withLock { $0 = found }
            show.yield(.predicted(found))
        } catch {
            guard !request.isDryRun, error.code != .stall else { throw error }
            show.yield(.note("no prediction: \(error.explanation)"))
        }
    }

    private func note(_ survey: MoveSurvey) {
        let side = survey.source.side
        if let machine = side.machines.first(where: { $0.name == request.vm.name.text }) {
            surveyed.withLock { $0 = (side.host.name, machine) }
        }
    }

    // MARK: After the move

    private func guest(after ending: ControllerMove.Ending, _ move: Prepared) async -> GuestLocation
    {
        switch ending {
        case .moved(let report, _):
            return GuestLocation(
                vm: move.plan.machine.name, state: report.isRunning ? .running : .paused,
                host: move.plan.destination.text, epoch: report.epoch)
        case .failed(let error):
            let stated = error.guest
            // The source's guardian has said that the guest runs there: no need to ask a
            // destination that may have gone.
            if let stated, stated.state == .running { return stated }
            let hosts = [move.survey.source.side.host, move.survey.destination.side.host]
                .map(Self.hastened)
            let found = await control.location(
                of: request.vm.name, move.plan.machine.uuid, on: hosts
            ).guest
            return found.state == .unknown ? stated ?? found : found
        }
    }

    /// A host that has answered in this command is not waited for as long as one that may be slow,
    /// unless the inventory says how long: the command is to end within a minute.
    private static func hastened(_ host: HostRecord) -> HostRecord {
        var host = host
        host.loginTimeout = host.loginTimeout ?? .seconds(10)
        host.answerTimeout = host.answerTimeout ?? .seconds(10)
        return host
    }

    /// An agent that has stopped talking is not waited for as long as one that has not.
    static func closingLimit(after ending: ControllerMove.Ending) -> Duration {
        if case .failed(let error) = ending, ControllerMove.isConsequence(error) {
            return .seconds(1)
        }
        return AgentConnection.closingLimit
    }
}
