import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator
import SystemPackage

/// Standard output and standard error, written by a thread of their own.
///
/// A terminal that is stopped, a pipe that nobody reads and one that is closed hold nothing up: a
/// command only waits for its output at its end.
final class Console: Sendable {
    private typealias Item = (bytes: [UInt8], stream: CInt)

    private struct Queue {
        var items: [Item] = []
        var picture: (any LivePicture)?
        var isBusy = false
        var isFinished = false
        var loss: LivemigError?
    }

    private struct Work {
        var items: [Item] = []
        var picture: (any LivePicture)?
        var isLast = false
    }

    /// The time between two looks at the picture and at the terminal's size.
    private static let pause = Duration.milliseconds(100)

    /// Whether progress can be a picture that is redrawn.
    let isLive: Bool
    /// How errors are coloured.
    let errorStyle: TextStyle
    private let queue = Monitor(Queue())
    private let writer: WorkerThread<Void>

    private let resultCharacters: Characters

    /// - Parameters:
    ///   - allowsColor: false where the user wants none.
    ///   - printsJSON: whether results are JSON, which is UTF-8 in every locale.
    init(allowsColor: Bool, printsJSON: Bool = false) {
        resultCharacters = printsJSON ? .unicode : .ofLocale
        let isTerminal = isatty(STDERR_FILENO) == 1 && Self.variable("TERM") != "dumb"
        let wantsColor = allowsColor && Self.variable("NO_COLOR").isEmpty
        isLive = isTerminal
        let style: TextStyle = isTerminal && wantsColor ? .colored : .plain
        errorStyle = style
        if isTerminal { Terminal.watchContinuations() }
        writer = WorkerThread("console") { [queue] in Self.run(queue, style) }
    }

    /// Prints a line of the result, on standard output.
    func result(_ line: String) {
        add(Array((resultCharacters.shown(line.harmless()) + "\n").utf8), STDOUT_FILENO)
    }

    /// Prints a message, on standard error.
    ///
    /// - Parameters:
    ///   - line: the message; what a terminal would obey in it is shown, not obeyed.
    ///   - isStyled: whether the line has colours of our own, and nothing else that is obeyed.
    func message(_ line: String, isStyled: Bool = false) {
        let text = isStyled ? line : line.harmless()
        add(Array((Characters.ofLocale.shown(text) + "\n").utf8), STDERR_FILENO)
    }

    /// Prints a question, on standard error, and stays on its line.
    func prompt(_ text: String) {
        add(Array(Characters.ofLocale.shown(text.harmless()).utf8), STDERR_FILENO)
    }

    /// Writes bytes as they are to standard output.
    func raw(_ bytes: [UInt8]) { add(bytes, STDOUT_FILENO) }

    /// Shows a picture at the terminal's bottom, below all that is printed, until another one comes
    /// or `nil`; nothing where there is no terminal.
    func live(_ picture: (any LivePicture)?) {
        guard isLive else { return }
        queue.withLock { $0.picture = picture }
    }

    /// Waits until everything is written.
    func drain() async {
        _ = await BlockingWork.value("console-drain") { [queue] in
            queue.wait { $0.items.isEmpty && !$0.isBusy ? () : nil }
        }
    }

    /// Why not all of the result could be written; `nil` where its reader has gone.
    var loss: LivemigError? { queue.withLock { $0.loss } }

    /// Writes what is left, and ends.
    func finish() async {
        queue.withLock { queue in
            queue.picture = nil
            queue.isFinished = true
        }
        await drain()
    }

    private func add(_ bytes: [UInt8], _ stream: CInt) {
        queue.withLock { $0.items.append((bytes, stream)) }
    }

    private static func run(_ queue: Monitor<Queue>, _ style: TextStyle) {
        var screen = LiveScreen()
        var work = Work()
        var continuations = Terminal.continuations
        while true {
            // Changed by withLock, which wakes whoever waits for it: a wait that goes on does not.
            if !work.items.isEmpty { queue.withLock { $0.isBusy = false } }
            work = next(queue, after: work)
            if Terminal.continuations != continuations || !Terminal.isOurs {
                continuations = Terminal.continuations
                screen.forget()
            }
            let size = Terminal.size
            if !work.items.isEmpty || work.picture == nil {
                write(screen.erase(in: size), to: STDERR_FILENO)
            }
            for (bytes, stream) in work.items {
                guard let loss = write(bytes, to: stream), stream == STDOUT_FILENO else { continue }
                queue.withLock { $0.loss = $0.loss ?? loss }
            }
            if let picture = work.picture, Terminal.isOurs {
                let lines = picture.lines(in: size, at: .now)
                write(screen.draw(lines, in: size, style: style), to: STDERR_FILENO)
            }
            if work.isLast { return }
        }
    }

    /// Waits for something to write, and with a picture no longer than until it is looked at again.
    private static func next(_ queue: Monitor<Queue>, after work: Work) -> Work {
        let look = MonotonicTime.now + pause
        let hasPicture = work.picture != nil
        func take(_ queue: inout Queue) -> Work? {
            guard
                !queue.items.isEmpty || queue.isFinished || (queue.picture != nil) != hasPicture
            else { return nil }
            defer { queue.items = [] }
            queue.isBusy = !queue.items.isEmpty
            return Work(
                items: queue.items, picture: queue.picture,
                isLast: queue.isFinished && queue.items.isEmpty)
        }
        guard hasPicture else { return queue.wait(until: take) }
        return queue.wait(deadline: look, until: take)
            ?? Work(picture: queue.withLockUnnoticed { $0.picture })
    }

    /// Writes to a stream whose reader may have gone, which is no error.
    /// - Returns: why not everything could be written.
    @discardableResult
    static func write(_ bytes: [UInt8], to stream: CInt) -> LivemigError? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(stream, $0.baseAddress, $0.count)
            }
            switch count < 0 ? errno : 0 {
            case 0: rest = rest.dropFirst(count)
            case EINTR: break
            // A program that shares the terminal or the pipe has made it non-blocking.
            case EAGAIN: _ = try? Poll.wait([.init(stream, POLLOUT)])
            case EPIPE: return nil
            case let number:
                return LivemigError(
                    .io, "the result could not be written: \(Errno(rawValue: number))",
                    at: "standard output", fix: "make room where it goes")
            }
        }
        return nil
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
