import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// A guest that is moved to and fro many times, with moves that are cancelled and processes that
/// are killed at any moment; a seed decides which.
final class Soak {
    private let seed: UInt64
    private let shuttle: Shuttle
    private(set) var figures = SoakFigures()

    init(seed: UInt64) throws {
        self.seed = seed
        shuttle = try Shuttle()
    }

    /// Moves the guest once, and notes what was seen.
    /// - Returns: what did not hold afterwards; empty when all is well.
    func run(_ move: SoakMove) throws -> [String] {
        let start = MonotonicTime.now
        let command = try shuttle.begin(move.options + ["--output", "json"])
        var cancellation: CommandResult?
        var isHit = false
        switch move.fate {
        case .undisturbed: break
        case .cancelled(let who, let moment):
            wait(for: moment, command)
            switch who {
            case .interrupt: command.signal(SIGINT)
            case .command: cancellation = try shuttle.someone.run("cancel", "guest")
            }
        case .killed(let party, let moment):
            wait(for: moment, command)
            isHit = kill(party, command)
        }
        let result = try command.finish()
        note(move, result, start.elapsed, isHit)
        var faults = checkEnd(of: move, result, isHit)
        if let cancellation { faults += checkClaim(of: cancellation, result) }
        faults += try settle(result, isHit)
        guard !faults.isEmpty else { return [] }
        return faults + ["\(result)"] + (cancellation.map { ["\($0)"] } ?? [])
    }

    /// Waits for a moment of a move, or its end.
    private func wait(for moment: Double, _ command: CommandInProgress) {
        let deadline = MonotonicTime.now + figures.usualDuration * moment
        while MonotonicTime.now < deadline, !command.hasEnded { usleep(1000) }
    }

    /// Kills a party, if need be once it has come.
    /// - Returns: whether there was anybody to kill before the move ended.
    private func kill(_ party: MoveParty, _ command: CommandInProgress) -> Bool {
        repeat {
            let victims = shuttle.processIDs(of: party, command)
            if command.hasEnded { return false }
            for id in victims { Glibc.kill(id, SIGKILL) }
            if !victims.isEmpty { return true }
            usleep(1000)
        } while !command.hasEnded
        return false
    }

    private func note(
        _ move: SoakMove, _ result: CommandResult, _ duration: Duration, _ isHit: Bool
    ) {
        figures.moves += 1
        if move.isUndisturbed { figures.durations.append(duration) }
        if move.isCancelled { figures.cancellations += 1 }
        if move.isKilled { figures.kills += 1 }
        if isHit { figures.killed += 1 }
        if result.status == ExitCode.cancelled.rawValue { figures.cancelled += 1 }
        let last = try? result.decode(MoveLine.self).last
        if let downtime = last?.downtimeMs { figures.blackouts.append(downtime.total) }
    }

    /// Recovers what a kill has broken, and checks everything; without a kill, nothing may be
    /// left to recover.
    private func settle(_ result: CommandResult, _ isHit: Bool) throws -> [String] {
        if isHit {
            let recovery = try shuttle.recover()
            guard recovery.status == 0 else { return ["no recovery: \(recovery)"] }
            figures.recovered += 1
        }
        let destination = shuttle.destination
        let faults = try shuttle.check(after: result)
        if shuttle.source === destination { figures.arrived += 1 }
        for guardian in shuttle.source.processIDs(with: " guard ") {
            figures.guardian.note(guardian)
        }
        return faults
    }

    /// Checks that a move ended as it may, after what happened to it.
    private func checkEnd(
        of move: SoakMove, _ result: CommandResult, _ isHit: Bool
    ) -> [String] {
        let status = ExitCode(rawValue: result.status)
        return switch move.fate {
        case .killed where isHit: []
        case .undisturbed, .killed: status == .success ? [] : ["the move did not go well"]
        case .cancelled:
            [.success, .cancelled].contains(status) || hasNotBegun(result)
                ? [] : ["neither moved nor cancelled"]
        }
    }

    /// Whether a command was interrupted before it minded it, and has done nothing.
    private func hasNotBegun(_ result: CommandResult) -> Bool {
        result.status == 128 + SIGINT && result.output.isEmpty && result.errors.isEmpty
    }

    /// Checks that a cancellation says what became of the move: it came in time, too early, or too
    /// late.
    private func checkClaim(
        of cancellation: CommandResult, _ move: CommandResult
    ) -> [String] {
        let status = ExitCode(rawValue: move.status)
        return switch ExitCode(rawValue: cancellation.status) {
        case .success: status == .cancelled ? [] : ["the move was not cancelled, as was said"]
        case .refused, .inTransfer, .committed:
            status == .success ? [] : ["the move was cancelled, which was not said"]
        default: ["the cancellation failed"]
        }
    }
}
