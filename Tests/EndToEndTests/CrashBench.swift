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

    /// How long a move, or a recovery, may take with programs stopped for 5 s.
    private static let limit: Duration = .seconds(60)

    init() throws { shuttle = try Shuttle() }

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
        try write(crash.point.rawValue, to: folder + "/crash-point")
        let move = try shuttle.begin(environment: ["LIVEMIG_CRASH_POINTS": flags])
        guard let waiting = try waitForPoint(folder, move) else {
            _ = unsafe unlink(folder + "/crash-point")
            return ["the point was not reached: \(try move.finish())"]
        }
        hit(crash, move, waiting)
        let result = try move.finish()
        return try check(crash, result)
    }

    /// Waits until a program waits at the point; `nil` when the move ends without that.
    private func waitForPoint(
        _ folder: String, _ move: CommandInProgress
    ) throws -> Int32? {
        let path = folder + "/crash-point.reached"
        let deadline = MonotonicTime.now + Self.limit
        while MonotonicTime.now < deadline {
            if let id = Int32(ProcessFiles.text(path).filter(\.isNumber)) {
                _ = unsafe unlink(path)
                return id
            }
            if move.hasEnded { return nil }
            usleep(2000)
        }
        return nil
    }

    private func hit(_ crash: CrashCase, _ move: CommandInProgress, _ waiting: Int32) {
        let victims = shuttle.processIDs(of: crash.victim, move)
        switch crash.fault {
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

    private func write(_ text: String, to path: String) throws {
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        try DescriptorIO.write(Array(text.utf8), to: file.number)
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
