import LinuxSystem
import MigrationModel
import Orchestrator
import Testing
import WireProtocol

@testable import Commands

private let start = MonotonicTime(nanoseconds: 1_000_000_000)

private func at(_ seconds: Int) -> MonotonicTime { start + .seconds(seconds) }

/// A row in each state, as a drain of alpha has them after 12 seconds.
private func sample() -> [BatchPicture.Row] {
    var moving = MoveProgress()
    moving.take(
        .round(
            RoundReport(
                number: 0, dirtyPages: 65536, pages: PageCounts(), wireBytes: 200 << 20,
                duration: .seconds(4), dirtiedPages: 4096)), at: .seconds(4))
    for step in 0..<5 {
        let message = RoundProgress(
            round: 1, done: UInt64(step) * 256, total: 4096, wireBytes: UInt64(step) << 20)
        moving.take(.progress(message), at: .seconds(4 + step))
    }
    var downtime = Downtime()
    downtime.resume = .milliseconds(24)
    let states: [(String, String, BatchPicture.State)] = [
        ("db1", "beta", .moved(downtime, total: .seconds(6), nil)),
        ("web1", "beta", .moving(moving, since: at(4))),
        ("web2", "gamma", .waiting("for a free slot out of alpha (1 of 1 moving)")),
        ("web3", "gamma", .failed(.stall)),
        ("web4", "beta", .notBegun(.cancelled)),
    ]
    return states.map {
        BatchPicture.Row(guest: $0.0, source: "alpha", destination: $0.1, state: $0.2)
    }
}

private func picture(_ rows: [BatchPicture.Row]) -> BatchPicture {
    BatchPicture(title: "drain alpha", began: start, rows: rows)
}

private func lines(_ columns: Int, _ rows: Int, _ style: TextStyle = .plain) -> [String] {
    picture(sample()).lines(in: ScreenSize(columns: columns, rows: rows), at: at(12)).map {
        $0.text(style)
    }
}

@Suite("The live view of several moves")
struct LiveViewTests {
    // Breaks when the heading or a row loses a fact, or columns do not line up.
    @Test("a wide terminal has everything")
    func wide() {
        #expect(
            lines(200, 50) == [
                "drain alpha · 1 of 5 done · 1 failed · 1 not begun · 1 moving · 1 wait · 12 s"
                    + " · 15–24 s left",
                "db1   → beta   done        blackout 24 ms, 6.0 s",
                "web1  → beta   round 1     25 % of 16 MiB  ██░░░░░░░░  1.0 MiB/s sent  "
                    + "4.0 MiB/s dirtied  low-water mark 16 MiB  more than 12 s left",
                "web2  → gamma  waits       for a free slot out of alpha (1 of 1 moving)",
                "web3  → gamma  failed      E-STALL",
                "web4  → beta   not begun   E-CANCELLED",
            ])
    }

    // Breaks when a narrow terminal loses the state of a guest, or a line is cut where a number
    // could have been left out.
    @Test("narrow terminals have what matters most")
    func narrow() {
        #expect(
            lines(80, 24) == [
                "drain alpha · 1 of 5 done · 1 failed · 1 not begun · 1 moving · 1 wait · 12 s",
                "  15–24 s left",
                "db1   → beta   done        blackout 24 ms, 6.0 s",
                "web1  → beta   round 1     25 % of 16 MiB  1.0 MiB/s sent  more than 12 s left",
                "web2  → gamma  waits       for a free slot out of alpha (1 of 1 moving)",
                "web3  → gamma  failed      E-STALL",
                "web4  → beta   not begun   E-CANCELLED",
            ])
        #expect(
            lines(40, 24) == [
                "drain alpha · 1 of 5 done · 1 failed",
                "  1 not begun · 1 moving · 1 wait",
                "  12 s · 15–24 s left",
                "db1   → beta   done       blackout 24 …",
                "web1  → beta   round 1    25 % of 16 M…",
                "web2  → gamma  waits      for a free s…",
                "web3  → gamma  failed     E-STALL",
                "web4  → beta   not begun  E-CANCELLED",
            ])
    }

    // Breaks when a picture is wider or higher than its terminal, of whatever size.
    @Test("it fits every size", arguments: [1, 2, 3, 10, 39, 40, 80, 200])
    func sizes(columns: Int) {
        for rows in [1, 2, 3, 4, 5, 24] {
            let lines = lines(columns, rows)
            #expect(lines.count <= max(1, rows - 1), "\(columns) × \(rows)")
            #expect(lines.allSatisfy { $0.count <= max(1, columns - 1) }, "\(lines)")
        }
    }

    // Breaks when guests that move are not seen because others fill the screen, or when those that
    // are not shown are not counted.
    @Test("with more guests than lines those that move come first, and the others are counted")
    func folded() {
        #expect(
            lines(200, 6).dropFirst() == [
                "web1  → beta   round 1     25 % of 16 MiB  ██░░░░░░░░  1.0 MiB/s sent  "
                    + "4.0 MiB/s dirtied  low-water mark 16 MiB  more than 12 s left",
                "web3  → gamma  failed      E-STALL",
                "web4  → beta   not begun   E-CANCELLED",
                "… 1 more wait, 1 done",
            ])
        #expect(
            lines(200, 3).dropFirst() == [
                "… 1 more moving, 1 failed, 1 not begun, 1 wait, 1 done"
            ])
    }

    // Breaks when colours are written where none are wanted, or are missing where they are.
    @Test("failures and successes are coloured, and nothing is in plain style")
    func colors() {
        let colored = lines(200, 50, .colored)
        #expect(colored[0].hasPrefix("\u{1B}[1mdrain alpha\u{1B}[0m · "))
        #expect(colored[1].contains("\u{1B}[32mdone      \u{1B}[0m"))
        #expect(colored[4].contains("\u{1B}[1;31mfailed    \u{1B}[0m"))
        #expect(lines(200, 50).allSatisfy { !$0.contains("\u{1B}") })
    }

    // Breaks when what a host names reaches the terminal as something that it obeys.
    @Test("what a terminal would obey is shown")
    func hostile() {
        let row = BatchPicture.Row(
            guest: "we\u{1B}[2Jb\n", source: "alpha", destination: "\u{7}beta",
            state: .waiting("for \u{202E}x"))
        let lines = picture([row]).lines(in: ScreenSize(columns: 200, rows: 9), at: start)
        #expect(lines[1].text() == "we\\u{1b}[2Jb\\u{a}  → \\u{7}beta  waits       for \\u{202e}x")
    }

    // Breaks when moves from several hosts do not say from where they come.
    @Test("moves of several sources name them")
    func sources() {
        var rows = Array(sample().prefix(1))
        rows.append(
            BatchPicture.Row(
                guest: "a", source: "gamma", destination: "alpha",
                state: .waiting("for moves before it")))
        let lines = picture(rows).lines(in: ScreenSize(columns: 80, rows: 9), at: start)
        #expect(lines[2].text() == "a    gamma → alpha  waits       for moves before it")
    }

    // Breaks when a clock shows other units than those that matter.
    @Test(
        "the time since the beginning",
        arguments: [(0, "0 s"), (59, "59 s"), (187, "3 min 7 s"), (7500, "2 h 5 min")])
    func clock(seconds: Int, words: String) {
        #expect(BatchPicture.clock(.seconds(seconds)) == words)
    }
}

@Suite("The time left")
struct TimeLeftTests {
    // Breaks when a range is worded so that it claims more than it knows.
    @Test(
        "ranges in words",
        arguments: [
            (2.2, 2.9, "3 s"), (2, 9.2, "2–10 s"), (40, 170, "40 s–3 min"),
            (130, 290, "2–5 min"), (0, 0, "0 s"), (.nan, .infinity, "more than 0 s"),
            (300, nil, "more than 5 min"), (1e300, 1e300, "1000000000 min"),
        ] as [(Double, Double?, String)])
    func words(soon: Double, late: Double?, words: String) {
        #expect(TimeLeft(soon, late).words == words)
    }

    // Breaks when a move that cannot end is given a time, or rounds to come are left out.
    @Test("of a move")
    func move() {
        let rates: MoveForecast.Rates = (slow: 50, fast: 100)
        let table: [(MoveForecast.Rates?, Double?, Bool, MoveForecast)] = [
            (nil, 10, false, .unknown),
            (rates, nil, false, .round(TimeLeft(10, 20))),
            (rates, 25, false, .move(TimeLeft(10, 40))),
            (rates, 0, false, .move(TimeLeft(10, 20))),
            (rates, 60, false, .move(TimeLeft(10, nil))),
            (rates, 25, true, .never), (nil, nil, true, .never),
        ]
        for (rates, written, isOutpaced, forecast) in table {
            #expect(
                MoveForecast(
                    pages: 1000, rates: rates, written: written, isOutpaced: isOutpaced)
                    == forecast)
        }
    }

    // Breaks when those that wait are left out, or are thought to go all at once.
    @Test("of several moves")
    func batch() {
        let fresh = BatchForecast.Moving(elapsed: 2, forecast: .unknown)
        let known = BatchForecast.Moving(elapsed: 2, forecast: .move(TimeLeft(1, 3)))
        let never = BatchForecast.Moving(elapsed: 2, forecast: .never)
        let table: [([Double], [BatchForecast.Moving], Int, TimeLeft?)] = [
            ([], [fresh], 3, nil), ([4, 10], [], 3, nil), ([4, 10], [never], 3, nil),
            ([4, 10], [fresh], 0, TimeLeft(2, 8)), ([4, 10], [fresh], 3, TimeLeft(14, 38)),
            ([4, 10], [known, known], 3, TimeLeft(9, 23)), ([4], [fresh], 1, TimeLeft(2, 14)),
        ]
        for (durations, moving, waiting, left) in table {
            #expect(
                BatchForecast.left(durations: durations, moving: moving, waiting: waiting) == left)
        }
    }
}

@Suite("Drawing over what is shown")
struct LiveScreenTests {
    private static let size = ScreenSize(columns: 20, rows: 5)

    private static func line(_ text: String) -> LiveLine {
        var line = LiveLine()
        line.add(text)
        return line
    }

    private func written(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\u{1B}", with: "^")
    }

    // Breaks when a drawing does not begin where the last one did, wraps, leaves the cursor hidden,
    // or is made though nothing changed.
    @Test("a drawing replaces the one before")
    func draws() {
        var screen = LiveScreen()
        let first = [Self.line("one"), Self.line("two")]
        #expect(
            written(screen.draw(first, in: Self.size, style: .plain))
                == "^[?25l^[?7l\rone^[K\r\ntwo^[K\r\n^[J^[?7h^[?25h")
        #expect(screen.draw(first, in: Self.size, style: .plain) == [])
        let long = [Self.line(String(repeating: "x", count: 30))]
        let cut = String(repeating: "x", count: 18) + "…"
        #expect(
            written(screen.draw(long, in: Self.size, style: .plain))
                == "^[?25l^[?7l\r^[2A\(cut)^[K\r\n^[J^[?7h^[?25h")
        #expect(written(screen.erase(in: Self.size)) == "\r^[1A^[K\r\n^[J^[1A")
        #expect(screen.erase(in: Self.size) == [])
    }

    // Breaks when lines that a narrower terminal has broken in two are left behind, or a drawing is
    // higher than the terminal.
    @Test("a terminal whose size changes is drawn anew")
    func resizes() {
        var screen = LiveScreen()
        let lines = (1...9).map { _ in Self.line("0123456789") }
        #expect(
            written(screen.draw(lines, in: Self.size, style: .plain))
                .count { $0 == "\r\n" } == 4)
        let narrow = ScreenSize(columns: 6, rows: 3)
        #expect(
            written(screen.draw(lines, in: narrow, style: .plain))
                == "^[?25l^[?7l\r^[8A0123…^[K\r\n0123…^[K\r\n^[J^[?7h^[?25h")
    }

    // Breaks when a program that was stopped and continued draws over the shell's lines.
    @Test("what is forgotten is not drawn over")
    func forgets() {
        var screen = LiveScreen()
        _ = screen.draw([Self.line("one")], in: Self.size, style: .plain)
        screen.forget()
        #expect(screen.erase(in: Self.size) == [])
        #expect(
            written(screen.draw([Self.line("one")], in: Self.size, style: .plain))
                == "^[?25l^[?7l\rone^[K\r\n^[J^[?7h^[?25h")
    }
}
