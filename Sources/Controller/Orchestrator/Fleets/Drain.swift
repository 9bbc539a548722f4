public import MigrationModel
import Planner
import WireProtocol

/// Emptying a host: closed to guests first, then moved, then looked at again.
///
/// A drain that ends early, with its controller or by an interruption, is completed by another
/// one: the host stays closed, and remembers who has left.
public final class Drain: Sendable {
    /// How a guest of the host ended.
    public enum Ending: Sendable {
        /// A live move was made, or failed.
        case move(to: HostName, MoveBatch.Result)
        /// It was saved, or could not be.
        case save(LivemigError?)
        /// It was powered off, or could not be.
        case stop(LivemigError?)
        /// It was to stay.
        case left
        /// It did not run.
        case stopped
        /// It is on its way by another's move.
        case moving(to: HostName)
        /// It was not moved, and runs on another host all the same.
        case elsewhere(HostName)
        /// It was not moved, and is on no host any more.
        case removed
        /// Nothing could be done.
        case blocked(LivemigError)
    }

    /// A guest and how it ended.
    public struct GuestResult: Sendable {
        /// The guest.
        public let guest: VMName
        /// Its UUID; unknown of a VM that cannot be read.
        public let uuid: VMUUID?
        /// How it ended.
        public let ending: Ending
    }

    /// What came of it all.
    public struct Outcome: Sendable {
        /// Every guest that the host had, in the plan's order.
        public let results: [GuestResult]
        /// Whether the host was found to be empty.
        public let proof: Result<EmptyHost, LivemigError>
        /// What should be known, and does not change anything.
        public let warnings: [Finding]
    }

    /// The moves, whose events tell how far everything is.
    public let batch: MoveBatch
    private let proposal: DrainProposal
    private let control: HostControl

    /// States a drain as it was proposed; `run` makes it.
    public init(_ proposal: DrainProposal, _ control: HostControl) {
        self.proposal = proposal
        self.control = control
        batch = MoveBatch(
            proposal.moves.map { MoveBatch.Item($0) }, limits: proposal.limits,
            template: proposal.request.template, control: control)
    }

    /// Closes the host, moves its guests, then saves and stops the others; called once.
    /// - Throws: when the host's hook refuses, or the host cannot be closed; nothing was moved then.
    public func run() async throws(LivemigError) -> Outcome {
        let host = proposal.request.host
        try await runHook(.before)
        do throws(LivemigError) {
            try await cordon()
        } catch {
            _ = await hookWarning(after: error)
            throw error
        }
        let moved = await batch.run()
        let saves = await control.each(
            of: proposal.saves, on: host, atMost: proposal.storageLimit, beside: batch, .saving)
        let stops = await control.each(
            of: proposal.stops, on: host, atMost: 1, beside: batch, .stopping)
        var results = results(moved, saves.merging(stops) { first, _ in first })
        let proof: Result<EmptyHost, LivemigError>
        var failure: LivemigError?
        do throws(LivemigError) {
            let empty = try await control.requireEmpty(host)
            results = await control.settled(results, on: empty)
            proof = .success(empty)
        } catch {
            proof = .failure(error)
            failure = error
        }
        let warning = await hookWarning(after: failure)
        return Outcome(results: results, proof: proof, warnings: warning.map { [$0] } ?? [])
    }

    private func cordon() async throws(LivemigError) {
        let host = proposal.request.host
        let leaving = proposal.leaving
        _ = try await control.settings(of: host) { policy throws(LivemigError) in
            try policy.maintenance.cordon(sending: leaving)
        }
    }

    /// What went wrong with the hook that runs afterwards.
    private func hookWarning(after failure: LivemigError?) async -> Finding? {
        do throws(LivemigError) {
            try await runHook(.after(failure))
            return nil
        } catch {
            return Finding(.warning(.hook), error.what, at: error.place, fix: error.fix)
        }
    }

    private func runHook(_ stage: RunDrainHook.Stage) async throws(LivemigError) {
        let host = try control.directory.host(proposal.request.host)
        try await control.talk(to: host) { agent async throws(LivemigError) in
            try await agent.runHook(stage)
        }
    }

    private func results(
        _ moved: [MoveBatch.Result], _ errors: [VMName: LivemigError]
    ) -> [GuestResult] {
        var moved = moved[...]
        return proposal.plan.steps.map { step in
            let ending: Ending =
                switch step.ending {
                case .move(let host, _):
                    .move(to: host, moved.popFirst() ?? .notBegun(Self.left))
                case .moving(let host): .moving(to: host)
                case .save: .save(errors[step.guest.name])
                case .stop: .stop(errors[step.guest.name])
                case .leave: .left
                case .stopped: .stopped
                case .blocked(let error): .blocked(error)
                }
            return GuestResult(guest: step.guest.name, uuid: step.guest.uuid, ending: ending)
        }
            + proposal.plan.damaged.map {
                GuestResult(guest: $0.name, uuid: $0.uuid, ending: .blocked($0.error))
            }
    }

    private static let left = LivemigError(.internal, "the batch was left early")
}

extension Drain.GuestResult {
    /// The error, where there is one; a guest that was to stay has none.
    public var error: LivemigError? {
        switch ending {
        case .move(_, let result): result.error
        case .save(let error), .stop(let error): error
        case .blocked(let error): error
        case .left, .stopped, .elsewhere, .removed: nil
        case .moving(let host):
            LivemigError(
                .busy, "it is on its way to \(host) by another's move", at: "VM \(guest)",
                fix: "wait for its end, then drain again")
        }
    }
}

extension Drain.Outcome {
    /// The exit code: that of the guest that fared worst, and success only where the host is
    /// empty.
    public var exitCode: ExitCode {
        let ofGuests = ExitCode.worst(of: results.compactMap { $0.error?.code.exitCode })
        guard ofGuests == .success, case .failure(let error) = proof else { return ofGuests }
        return error.code.exitCode
    }
}
