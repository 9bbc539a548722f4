#if CrashPoints
import CrashPoints
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// The file by which a test has the first program that comes to a half-step of a move wait there
/// (`CrashPointFiles`).
struct CrashFlag {
    /// The program's folder: a host's root, or the one that `LIVEMIG_CRASH_POINTS` names.
    let folder: String

    /// How long a move may take to come to a half-step.
    private static let limit: Duration = .seconds(60)

    /// Names the half-step.
    func raise(_ point: CrashPoint) throws {
        let file = try OwnedDescriptor.open(
            folder + "/crash-point", O_WRONLY | O_CREAT | O_TRUNC)
        try DescriptorIO.write(Array(point.rawValue.utf8), to: file.number)
    }

    /// Waits until a program waits at the half-step, and returns its number; `nil` when the move
    /// ends without that.
    func wait(_ move: CommandInProgress) -> Int32? {
        let path = folder + "/crash-point.reached"
        let deadline = MonotonicTime.now + Self.limit
        while MonotonicTime.now < deadline {
            if let id = Int32(ProcessFiles.text(path).filter(\.isNumber)) {
                _ = unsafe unlink(path)
                // It says so before it stops, and whoever continues it too early never does.
                while !Self.isStopped(id), MonotonicTime.now < deadline { usleep(500) }
                return id
            }
            if move.hasEnded { break }
            usleep(2000)
        }
        _ = unsafe unlink(folder + "/crash-point")
        return nil
    }

    /// Whether a process stands still, or has gone (proc(5): the state follows the name).
    private static func isStopped(_ id: Int32) -> Bool {
        let state = ProcessFiles.text("/proc/\(id)/stat").split(separator: ")").last
        return state.map { $0.hasPrefix(" T") || $0.hasPrefix(" Z") } ?? true
    }
}
#endif
