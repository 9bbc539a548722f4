#if CrashPoints
import Glibc
import Synchronization

/// How a test asks a program to wait at a crash point, and hears that it does.
///
/// The test writes the point's name to `crash-point` in the program's folder. The first thread
/// that reaches the point renames the file to `crash-point.reached`, so that nobody else waits,
/// puts the program's process id into it, and stops the whole program (SIGSTOP) until the test
/// has done what it is there for and continues it.
public enum CrashPointFiles {
    private static let folder = Mutex<String?>(nil)

    /// Names the folder of this program; points are passed by without one.
    public static func watch(_ path: String) { folder.withLock { $0 = path } }

    static func reach(_ point: CrashPoint) {
        guard let folder = folder.withLock({ $0 }) else { return }
        let path = folder + "/crash-point"
        guard unsafe access(path, F_OK) == 0, wanted(path) == point.rawValue else { return }
        let reached = path + ".reached"
        guard unsafe rename(path, reached + ".new") == 0 else { return }
        let file = unsafe open(reached + ".new", O_WRONLY | O_TRUNC | O_CLOEXEC)
        let text = Array("\(getpid())\n".utf8)
        _ = unsafe write(file, text, text.count)
        _ = close(file)
        _ = unsafe rename(reached + ".new", reached)
        // To this very thread: one that goes to the process may be taken by another thread, later.
        _ = raise(SIGSTOP)
    }

    private static func wanted(_ path: String) -> String {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { _ = close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
#endif
