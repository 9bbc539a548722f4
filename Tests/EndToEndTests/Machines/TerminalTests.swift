import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// What an operator sees: `livemig` in a terminal emulator, between three real hosts.
@Suite(.serialized) struct TerminalTests {
    /// A terminal, and whether colours are wanted.
    struct Look: Sendable, CustomTestStringConvertible {
        let columns, rows: Int
        var arguments: [String] = []
        var environment: [String: String] = [:]
        var hasColors = true

        var testDescription: String {
            "\(columns) × \(rows)\(hasColors ? "" : " without colours")"
        }
    }

    private static let looks = [
        Look(columns: 80, rows: 24), Look(columns: 200, rows: 50),
        Look(columns: 80, rows: 24, environment: ["NO_COLOR": "1"], hasColors: false),
        Look(columns: 40, rows: 24, arguments: ["--no-color"], hasColors: false),
    ]
    private static let guests = ["db1", "web1", "web2", "web3"]
    private static let slowly = ["--yes", "--bandwidth", "10MiB/s", "--compression", "none"]

    /// Hosts of which alpha has guests, each of which takes more than a second to move, one by one.
    private static func hosts() throws -> ThreeHosts {
        let hosts = try ThreeHosts()
        try hosts.start(guests, "fill=32MiB")
        try hosts.someone.succeed("host", "settings", "alpha", "--live-moves", "1")
        return hosts
    }

    private static func isHeading(_ line: String, of title: String = "drain alpha") -> Bool {
        line.hasPrefix("\(title) · ")
    }

    // Breaks when the view lacks its heading or a guest's row, wraps, colours what is to be plain,
    // leaves something behind at its end, or hides the result.
    @Test("a drain, looked at", .timeLimit(.minutes(2)), arguments: looks)
    func drain(_ look: Look) throws {
        let hosts = try Self.hosts()
        let screen = try TerminalScreen(
            hosts.someone, ["drain", "alpha"] + Self.slowly + look.arguments,
            columns: look.columns, rows: look.rows, environment: look.environment)
        // One is done, one moves, and two wait.
        let lines = try screen.wait(for: "guest that moves beside one that is done") { lines in
            lines.contains { $0.contains("  done ") }
                && lines.contains { $0.contains(" round 0") && $0.contains(" % of ") }
        }
        let heading = try #require(lines.firstIndex { Self.isHeading($0) }, "\(lines)")
        #expect(lines[heading].contains("drain alpha · 1 of 4 done"), "\(lines)")
        let rows = lines[heading...].filter { line in
            Self.guests.contains { line.hasPrefix("\($0) ") }
        }
        #expect(rows.count == 4, "\(lines)")
        #expect(rows.count { $0.contains("  waits ") } == 2, "\(lines)")
        let reason = "for a free slot out of alpha (1 of 1 moving)"
        #expect(
            look.columns < 80 || rows.count { $0.contains(reason) } == 2, "\(lines)")
        #expect(lines[heading...].allSatisfy { $0.count < look.columns }, "\(lines)")
        #expect(
            try screen.lines(withColors: true).contains { $0.contains("\u{1B}[") }
                == look.hasColors)

        let all = try screen.end(with: 0)
        #expect(!all.contains { Self.isHeading($0) }, "\(all)")
        for guest in Self.guests {
            let row = all.contains { $0.hasPrefix(guest) && $0.contains("  moved to ") }
            #expect(row, "\(guest): \(all)")
        }
        #expect(
            try screen.lines(withHistory: true, joined: true).contains {
                $0.hasPrefix("alpha is empty: ") && $0.hasSuffix("It is safe to power off.")
            }, "\(all)")
        if !look.hasColors {
            #expect(
                try !screen.lines(withHistory: true, withColors: true).contains {
                    $0.contains("\u{1B}[")
                })
        }
    }

    // Breaks when a change of the terminal's size leaves parts of the view behind, or lines that
    // are too long for it.
    @Test("a terminal that changes its size in a drain", .timeLimit(.minutes(2)))
    func resize() throws {
        let hosts = try Self.hosts()
        let screen = try TerminalScreen(
            hosts.someone, ["drain", "alpha"] + Self.slowly, columns: 200, rows: 50)
        let isMoving = { (lines: [String]) in
            lines.contains { Self.isHeading($0) } && lines.contains { $0.contains(" % of ") }
        }
        try screen.wait(for: "guest that moves", isMoving)
        // What shows that the view is that of the size, and not the one before.
        let sizes: [(Int, Int, (String) -> Bool)] = [
            (60, 20, { $0.count == 59 && $0.hasSuffix("…") }),
            (120, 40, { $0.hasSuffix("(1 of 1 moving)") }),
            (40, 6, { $0.hasPrefix("… ") }),
        ]
        for (columns, rows, isRight) in sizes {
            try screen.resize(columns: columns, rows: rows)
            let lines = try screen.wait(for: "view of \(columns) × \(rows)") { lines in
                guard isMoving(lines), lines.count(where: { Self.isHeading($0) }) == 1,
                    let heading = lines.firstIndex(where: { Self.isHeading($0) })
                else { return false }
                return lines[heading...].contains(where: isRight)
                    && lines[heading...].allSatisfy { $0.count < columns }
            }
            #expect(lines.count < rows, "\(lines)")
        }
        let all = try screen.end(with: 0)
        #expect(all.contains { $0.hasPrefix("alpha is empty: ") }, "\(all)")
    }

    // Breaks when what an interruption does is not said, or what will not begin is shown as
    // waiting.
    @Test("a drain that is interrupted by its keys", .timeLimit(.minutes(2)))
    func interrupt() throws {
        let hosts = try Self.hosts()
        let screen = try TerminalScreen(
            hosts.someone, ["drain", "alpha"] + Self.slowly, columns: 80, rows: 24)
        try screen.wait(for: "guest that moves") { lines in
            lines.contains { $0.contains(" % of ") }
        }
        try screen.press("C-c")
        let lines = try screen.wait(for: "what was interrupted") { lines in
            lines.contains { $0.contains("  not begun   E-CANCELLED") }
        }
        let words = "livemig: no further move begins; 1 under way are finished"
        let message = try #require(lines.firstIndex { $0.hasPrefix(words) }, "\(lines)")
        let heading = try #require(lines.firstIndex { Self.isHeading($0) }, "\(lines)")
        #expect(message < heading)
        let all = try screen.end(with: 8)
        #expect(all.contains { $0.contains("  not begun ") }, "\(all)")
        #expect(!all.contains { Self.isHeading($0) }, "\(all)")
        try hosts.expectOnce(Self.guests)
    }

    // Breaks when the terminal is not usable after an end that nothing can be done about.
    @Test("a drain that is killed leaves a usable terminal", .timeLimit(.minutes(2)))
    func killed() throws {
        let hosts = try Self.hosts()
        let screen = try TerminalScreen(
            hosts.someone, ["drain", "alpha"] + Self.slowly, columns: 80, rows: 24)
        try screen.wait(for: "guest that moves") { lines in
            lines.contains { $0.contains(" % of ") }
        }
        try screen.press("C-\\")
        _ = try screen.end(with: 128 + 3)
        try expectSoon(within: .seconds(20)) {
            !hosts.all.contains { $0.processes.contains { $0.contains(" serve ") } }
        }
        try hosts.someone.succeed("recover")
        try hosts.expectOnce(Self.guests)
    }

    // Breaks when a drain that is stopped and continued draws over what the shell wrote meanwhile.
    @Test("a drain that is stopped and continued", .timeLimit(.minutes(2)))
    func stopped() throws {
        let hosts = try Self.hosts()
        let screen = try TerminalScreen(
            hosts.someone, ["drain", "alpha"] + Self.slowly, columns: 80, rows: 40, isStopped: true)
        try screen.wait(for: "guest that moves") { lines in
            lines.contains { $0.contains(" % of ") }
        }
        try screen.press("C-z")
        let isShell = { (line: String) in line.hasSuffix(TerminalScreen.stopped) }
        try screen.wait(for: "view below the shell's line") { lines in
            guard let shell = lines.firstIndex(where: isShell) else { return false }
            return lines[shell...].contains { Self.isHeading($0) }
        }
        let all = try screen.end(with: 0)
        #expect(all.contains(where: isShell), "\(all)")
        #expect(all.count { Self.isHeading($0) } == 1, "\(all)")
    }

    // Breaks when the view of a way back lacks its heading or rows, or the result lacks a guest.
    @Test("a way back, looked at", .timeLimit(.minutes(2)))
    func resume() throws {
        let hosts = try Self.hosts()
        try hosts.someone.succeed("drain", "alpha", "--yes", "--to", "beta")
        let screen = try TerminalScreen(
            hosts.someone, ["resume", "alpha", "--failback", "now"] + Self.slowly, columns: 80,
            rows: 24)
        let lines = try screen.wait(for: "guest that moves") { lines in
            lines.contains { $0.contains(" % of ") }
        }
        #expect(lines.contains { Self.isHeading($0, of: "resume alpha") }, "\(lines)")
        #expect(lines.contains { $0.contains("→ alpha  round 0") }, "\(lines)")
        let all = try screen.end(with: 0)
        #expect(all.count { $0.contains("  moved to alpha ") } == 4, "\(all)")
        #expect(all.last == "alpha takes guests; 4 of 4 moves made.", "\(all)")
    }

    // Breaks when the live line of a move lacks how far it is, wraps, or stays behind.
    @Test("a move, looked at", .timeLimit(.minutes(2)), arguments: looks)
    func move(_ look: Look) throws {
        let hosts = try ThreeHosts()
        try hosts.start(["web1"], "fill=32MiB")
        let screen = try TerminalScreen(
            hosts.someone,
            ["move", "web1", "--to", "beta", "--bandwidth", "10MiB/s", "--compression", "none"]
                + look.arguments, columns: look.columns, rows: look.rows,
            environment: look.environment)
        let isLive = { (line: String) in
            line.hasPrefix("alpha: round 0 ") && line.contains(" % of ")
        }
        let words = look.columns < 80 ? "" : " left of this round"
        let lines = try screen.wait(for: "live line") { lines in
            lines.last.map { isLive($0) && $0.hasSuffix(words) } == true
        }
        #expect(lines.count { isLive($0) } == 1, "\(lines)")
        #expect(lines.allSatisfy { $0.count < look.columns }, "\(lines)")
        let all = try screen.end(with: 0)
        #expect(!all.contains(where: isLive), "\(all)")
        #expect(
            try screen.lines(withHistory: true, joined: true).contains {
                $0.hasPrefix("moved web1 to beta in ")
            }, "\(all)")
        #expect(all.contains { $0.hasPrefix("alpha: round 0  ") }, "\(all)")
    }

    // Breaks when the live line of a guest that writes faster than its pages are sent does not say
    // how fast, what it has come to at best, and that this will not end.
    @Test("a move that does not converge, looked at", .timeLimit(.minutes(2)))
    func noConvergence() throws {
        let hosts = try ThreeHosts()
        try hosts.start(["web1"], "fill=16MiB ws=16MiB rate=40MiB/s")
        let screen = try TerminalScreen(
            hosts.someone,
            ["move", "web1", "--to", "beta", "--bandwidth", "10MiB/s", "--compression", "none"],
            columns: 120, rows: 24)
        try screen.wait(for: "live line of a later round") { lines in
            guard let line = lines.last, let round = line.split(separator: " ").dropFirst(2).first
            else { return false }
            return line.hasPrefix("alpha: round ") && (Int(round) ?? 0) > 1
                && line.contains(" % of ") && line.contains(" sent, ")
                && line.contains(" dirtied, low-water mark ")
                && line.hasSuffix(", will not converge at this rate")
        }
        try screen.press("C-c")
        let all = try screen.end(with: 8)
        #expect(all.contains { $0.hasPrefix("VM web1 is RUNNING on alpha ") }, "\(all)")
    }
}
