import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator

/// Standard output and standard error, written by a thread of their own.
///
/// A terminal that is stopped, a pipe that nobody reads and one that is closed hold nothing up: a
/// command only waits for its output at its end.
final class Console: Sendable {
    private enum Item {
        case bytes([UInt8], CInt)
        case live(String)
    }

    private struct Queue {
        var items: [Item] = []
        var isBusy = false
        var isFinished = false
        var lastLive: MonotonicTime?
    }

    /// The least time between two drawings of the live line.
    static let livePause = Duration.milliseconds(100)

    /// Whether progress can be a line that is redrawn.
    let hasLiveLine: Bool
    /// How errors are coloured.
    let errorStyle: TextStyle
    private let queue = Monitor(Queue())
    private let writer: WorkerThread<Void>

    /// - Parameter allowsColor: false where the user wants none.
    init(allowsColor: Bool) {
        let isTerminal = isatty(STDERR_FILENO) == 1 && Self.variable("TERM") != "dumb"
        let wantsColor = allowsColor && Self.variable("NO_COLOR").isEmpty
        hasLiveLine = isTerminal
        errorStyle = isTerminal && wantsColor ? .colored : .plain
        writer = WorkerThread("console") { [queue] in Self.run(queue) }
    }

    /// Prints a line of the result, on standard output.
    func result(_ line: String) {
        add(.bytes(Array((line.harmless() + "\n").utf8), STDOUT_FILENO))
    }

    /// Prints a message, on standard error.
    ///
    /// - Parameters:
    ///   - line: the message; what a terminal would obey in it is shown, not obeyed.
    ///   - isStyled: whether the line has colours of our own, and nothing else that is obeyed.
    func message(_ line: String, isStyled: Bool = false) {
        let text = isStyled ? line : line.harmless()
        add(.bytes(Array((text + "\n").utf8), STDERR_FILENO))
    }

    /// Prints a question, on standard error, and stays on its line.
    func prompt(_ text: String) { add(.bytes(Array(text.harmless().utf8), STDERR_FILENO)) }

    /// Writes bytes as they are to standard output.
    func raw(_ bytes: [UInt8]) { add(.bytes(bytes, STDOUT_FILENO)) }

    /// Draws the live line, unless it was drawn a moment ago or there can be none.
    func live(_ line: String) {
        guard hasLiveLine else { return }
        let line = line.onOneLine()
        queue.withLock { queue in
            if let last = queue.lastLive, last.elapsed < Self.livePause { return }
            queue.lastLive = .now
            queue.items.append(.live(line))
        }
    }

    /// Waits until everything is written.
    func drain() async {
        _ = await BlockingWork.value("console-drain") { [queue] in
            queue.wait { $0.items.isEmpty && !$0.isBusy ? () : nil }
        }
    }

    /// Writes what is left, and ends.
    func finish() async {
        queue.withLock { $0.isFinished = true }
        await drain()
    }

    private func add(_ item: Item) { queue.withLock { $0.items.append(item) } }

    private static func run(_ queue: Monitor<Queue>) {
        var hasLive = false
        while true {
            // Changed by withLock, which wakes whoever waits for it: a wait that goes on does not.
            queue.withLock { $0.isBusy = false }
            let items = queue.wait { queue -> [Item]? in
                guard !queue.items.isEmpty else { return queue.isFinished ? [] : nil }
                defer { queue.items = [] }
                queue.isBusy = true
                return queue.items
            }
            for item in items {
                switch item {
                case .bytes(let bytes, let stream):
                    if hasLive { write(LiveLine.clear, to: STDERR_FILENO) }
                    hasLive = false
                    write(bytes, to: stream)
                case .live(let line):
                    write(LiveLine.draw(line, width: width), to: STDERR_FILENO)
                    hasLive = true
                }
            }
            if items.isEmpty {
                if hasLive { write(LiveLine.clear, to: STDERR_FILENO) }
                return
            }
        }
    }

    /// Writes to a stream that may be closed, which is no error.
    static func write(_ bytes: [UInt8], to stream: CInt) {
        try? DescriptorIO.write(bytes, to: stream)
    }

    private static var width: Int {
        var size = winsize()
        let result = unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size)
        return result == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    private static func variable(_ name: String) -> String {
        unsafe getenv(name).map { unsafe String(cString: $0) } ?? ""
    }
}

extension Result {
    /// The result of a closure that waits.
    static func of(_ body: () async throws(Failure) -> Success) async -> Result {
        do throws(Failure) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}
