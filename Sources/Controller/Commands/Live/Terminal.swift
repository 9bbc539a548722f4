import Glibc
import Synchronization

/// The terminal of standard error.
enum Terminal {
    private static let stops = Atomic<Int>(0)

    /// Its size as it is now, 80 × 24 where it has none.
    static var size: ScreenSize {
        var size = winsize()
        let result = unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size)
        guard result == 0, size.ws_col > 0, size.ws_row > 0 else {
            return ScreenSize(columns: 80, rows: 24)
        }
        return ScreenSize(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// Whether this program is in the foreground; in the background the screen is somebody else's.
    static var isOurs: Bool {
        let group = tcgetpgrp(STDERR_FILENO)
        return group < 0 || group == getpgrp()
    }

    /// How often the program was stopped and continued since `watchContinuations`.
    static var continuations: Int { stops.load(ordering: .relaxed) }

    /// Counts SIGCONT from now on.
    static func watchContinuations() { _ = signal(SIGCONT, handler) }

    private static let handler: @convention(c) (CInt) -> Void = { _ in
        stops.wrappingAdd(1, ordering: .relaxed)
    }
}
