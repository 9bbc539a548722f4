#if CrashPoints
import CrashPoints
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// Two hosts with a guest on which crashes are tried one after the other, each followed by a
/// recovery by whatever is left and by a move that must go well.
final class CrashBench {
    private let shuttle: Shuttle

    init(_ guest: GuestKind) throws { shuttle = try Shuttle(guest) }

    /// Tries one crash.
    /// - Returns: what did not hold afterwards; empty when all is well.
    func run(_ crash: CrashCase) throws -> [String] {
        let flags = shuttle.someone.folder.path("points")
        _ = unsafe mkdir(flags, 0o700)
        let folder =
            switch crash.side {
            case .controller: flags
            case .source: shuttle.source.root
            case .destination: shuttle.destination.root
            }
        let flag = CrashFlag(folder: folder)
        try flag.raise(crash.point)
        let move = try shuttle.begin(
            crash.course.options(shuttle.guest),
            environment: ["LIVEMIG_CRASH_POINTS": flags])
        guard let waiting = flag.wait(move) else {
            return ["the point was not reached: \(try move.finish())"]
        }
        let victims = waitForVictims(crash, move)
        hit(victims, crash.fault, waiting)
        let result = try move.finish()
        if victims.isEmpty { return ["there was no \(crash.victim) to hit"] }
        return try check(crash, result)
    }

    /// Who is to be hit; a hypervisor that is being started may take a moment to be there.
    private func waitForVictims(_ crash: CrashCase, _ move: CommandInProgress) -> [Int32] {
        let deadline = MonotonicTime.now + .seconds(5)
        while true {
            let victims = shuttle.processIDs(of: crash.victim, move)
            guard victims.isEmpty, MonotonicTime.now < deadline else { return victims }
            usleep(2000)
        }
    }

    private func hit(_ victims: [Int32], _ fault: CrashCase.Fault, _ waiting: Int32) {
        switch fault {
        case .killed:
            for id in victims { kill(id, SIGKILL) }
        case .stopped:
            for id in victims { kill(id, SIGSTOP) }
            // Everybody else goes on meanwhile.
            if !victims.contains(waiting) { kill(waiting, SIGCONT) }
            sleep(5)
            for id in victims { kill(id, SIGCONT) }
        }
        kill(waiting, SIGCONT)
    }
}

// MARK: Afterwards

extension CrashBench {
    private func check(_ crash: CrashCase, _ move: CommandResult) throws -> [String] {
        let recovery = try shuttle.recover()
        guard recovery.status == 0 else { return ["no recovery: \(recovery)", "\(move)"] }
        let isGuestHit = [.sourceGuest, .destinationGuest].contains(crash.victim)
        if isGuestHit, crash.fault == .killed, try shuttle.state() == .stopped {
            // The hypervisor is what died: there is nothing left but to start anew.
            let start = try shuttle.someone.run("vm", "start", "guest")
            guard start.status == 0 else { return ["not started: \(start)"] }
        }
        let faults = try shuttle.check(after: move)
        guard faults.isEmpty else { return faults + ["\(move)\n\(recovery)"] }
        return try shuttle.checkNextMove()
    }
}
#endif
