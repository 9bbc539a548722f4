import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// A terminal emulator with one program in it: tmux, with a server of its own.
///
/// When the program has ended, the screen says so, and shows what is typed from then on, as a
/// terminal does whose modes are in order.
final class TerminalScreen {
    /// What the shell writes when the program was stopped.
    static let stopped = "stopped; the shell is here"
    private let folder: ScratchFolder
    private let socket: String

    /// Starts `livemig` in a terminal.
    ///
    /// - Parameters:
    ///   - someone: whose home and inventory it has.
    ///   - columns: of the terminal.
    ///   - rows: of the terminal.
    ///   - environment: what it has besides.
    ///   - isStopped: whether the shell waits for it to be stopped, says so, and continues it.
    init(
        _ someone: Operator, _ arguments: [String], columns: Int, rows: Int,
        environment: [String: String] = [:], isStopped: Bool = false
    ) throws {
        folder = try ScratchFolder()
        socket = folder.path("tmux")
        // With handlers of its own the shell outlives the keys that are meant for livemig, which
        // gets the signals' defaults.
        let start = isStopped ? "set -m; \"$@\"; echo '\(Self.stopped)'; fg >/dev/null" : "\"$@\""
        let script = "trap : INT QUIT; \(start); echo \"ended with $?\"; exec cat"
        let variables = environment.merging([
            "HOME": someone.folder.path, "LC_ALL": "C.UTF-8",
            "LIVEMIG_HISTORY": someone.folder.path("history.sqlite"),
        ]) { own, _ in own }
        let program = try BuildProducts.program("livemig")
        try tmux(
            [
                "start-server", ";", "set-option", "-g", "status", "off", ";", "set-option", "-g",
                "history-limit", "10000", ";", "new-session", "-d", "-x", "\(columns)", "-y",
                "\(rows)",
            ] + variables.sorted { $0.key < $1.key }.flatMap { ["-e", "\($0)=\($1)"] }
                + ["--", "/bin/sh", "-c", script, "sh", program] + arguments
                + ["--inventory", someone.folder.path("hosts.xml")])
    }

    /// The lines on the screen, without empty ones at its end.
    ///
    /// - Parameters:
    ///   - withHistory: whether lines that were scrolled away come before them.
    ///   - withColors: whether they have escape sequences for colours.
    ///   - joined: whether lines that the terminal wrapped are whole.
    func lines(
        withHistory: Bool = false, withColors: Bool = false, joined: Bool = false
    ) throws -> [String] {
        var arguments = ["capture-pane", "-p"]
        if withHistory { arguments += ["-S", "-"] }
        if withColors { arguments.append("-e") }
        if joined { arguments.append("-J") }
        var lines = try tmux(arguments).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// Waits until the lines on the screen are as a condition has them.
    /// - Returns: the lines.
    @discardableResult
    func wait(
        for what: String, within limit: Duration = .seconds(40),
        location: SourceLocation = #_sourceLocation, _ condition: ([String]) -> Bool
    ) throws -> [String] {
        let deadline = MonotonicTime.now + limit
        while true {
            let lines = try lines()
            if condition(lines) { return lines }
            guard MonotonicTime.now < deadline else {
                let screen = try self.lines(withHistory: true).joined(separator: "\n")
                Issue.record("no \(what) on the screen:\n\(screen)", sourceLocation: location)
                throw LivemigError(.timeout, "no \(what)")
            }
            usleep(20_000)
        }
    }

    /// Waits for the program's end, and insists that the terminal is as it was.
    /// - Returns: all lines before that of the end, those that were scrolled away included.
    func end(
        with status: Int, _ location: SourceLocation = #_sourceLocation
    ) throws -> [String] {
        try wait(for: "end", location: location) { $0.contains { $0.hasPrefix("ended with ") } }
        try press("echo works", "Enter")
        try wait(for: "echo of what is typed", location: location) { $0.contains("echo works") }
        let cursor = try tmux(["display-message", "-p", "#{cursor_flag}"])
        #expect(cursor == "1\n", "the cursor is hidden", sourceLocation: location)
        let lines = try lines(withHistory: true)
        #expect(lines.contains("ended with \(status)"), "\(lines)", sourceLocation: location)
        return Array(lines.prefix { !$0.hasPrefix("ended with ") })
    }

    /// Presses keys, each a text or a name such as `C-c`.
    func press(_ keys: String...) throws { try tmux(["send-keys"] + keys) }

    /// Changes the terminal's size.
    func resize(columns: Int, rows: Int) throws {
        try tmux(["resize-window", "-x", "\(columns)", "-y", "\(rows)"])
    }

    @discardableResult
    private func tmux(_ arguments: [String]) throws -> String {
        try Tool.run(
            "tmux", package: "tmux", ["-u", "-S", socket, "-f", "/dev/null"] + arguments)
    }

    deinit { _ = try? tmux(["kill-server"]) }
}
