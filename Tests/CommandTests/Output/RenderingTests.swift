import FoundationEssentials
import Handoff
import MigrationModel
import Testing
import WireProtocol

@testable import Commands
@testable import Orchestrator

private func round(
    _ number: Int, dirty: UInt64, wire: UInt64, seconds: Double, dirtied: UInt64
) -> RoundReport {
    RoundReport(
        number: number, dirtyPages: dirty >> 12, pages: PageCounts(), wireBytes: wire,
        duration: .milliseconds(Int64(seconds * 1000)), dirtiedPages: dirtied >> 12)
}

private func outcome(_ ending: MoveOutcome.Ending) throws -> MoveOutcome {
    MoveOutcome(
        vm: VMReference(name: try VMName("web1")), migration: MigrationID(Bits128(high: 1, low: 2)),
        source: try HostName("alpha"), destination: try HostName("beta"),
        total: .milliseconds(3600), ending: ending,
        guest: GuestLocation(vm: "web1", state: .running, host: "beta", epoch: Epoch(7)))
}

private func plan() throws -> MovePlan {
    try MovePlan(
        moving: VMName("web1"), from: side("alpha", [machine()]), to: side("beta"),
        policy: MigrationPolicy())
}

@Suite("Rendering")
struct RenderingTests {
    // Breaks when a round's line loses a number, its side or its words, or grows beyond 80 columns.
    @Test("rounds are one line each")
    func rounds() throws {
        var text = MoveText()
        _ = text.lines(.planned(try plan()), at: .zero)
        let mib: UInt64 = 1 << 20
        let events: [(RoundReport, String)] = [
            (
                round(0, dirty: 1331 * mib, wire: 318 * mib, seconds: 2.9, dirtied: 104 * mib),
                "alpha: round 0  1.3 GiB populated → 318 MiB sent  110 MiB/s   2.9 s"
            ),
            (
                round(1, dirty: 104 * mib, wire: 2 * mib, seconds: 0.5, dirtied: 19 * mib),
                "alpha: round 1  104 MiB dirty     → 2.0 MiB sent  38 MiB/s dirtied"
            ),
            (
                round(2, dirty: 19 * mib, wire: 31 << 10, seconds: 0.1, dirtied: mib),
                "alpha: round 2  19 MiB dirty      → 31 KiB sent   low-water mark"
            ),
            (
                round(3, dirty: 20 * mib, wire: 5 * mib, seconds: 0.1, dirtied: 20 * mib),
                "alpha: round 3  20 MiB dirty      → 5.0 MiB sent  will not converge at this rate"
            ),
        ]
        for (round, line) in events {
            #expect(text.lines(.round(round), at: .zero).first == .permanent(line))
            #expect(line.count <= 80)
        }
    }

    // Breaks when the live line shows more than was done, a time that is not a range, or wraps.
    @Test("progress is a live line that never wraps")
    func progress() throws {
        var text = MoveText()
        _ = text.lines(.planned(try plan()), at: .zero)
        var last: [MoveText.Line] = []
        for step in 0..<5 {
            let message = RoundProgress(
                round: 1, done: UInt64(step) * 2560, total: 25600, wireBytes: UInt64(step) << 20)
            last = text.lines(.progress(message), at: .seconds(step))
        }
        guard case .live(let line)? = last.first else {
            Issue.record("no live line: \(last)")
            return
        }
        let shown: [(Int, String)] = [
            (79, "alpha: round 1  40 % of 100 MiB, 1.0 MiB/s sent, 6 s left of this round"),
            (60, "alpha: round 1  40 % of 100 MiB, 6 s left of this round"),
            (39, "alpha: round 1  40 % of 100 MiB"), (10, "alpha: ro…"),
        ]
        for (width, words) in shown { #expect(line.line(width: width).text() == words) }
    }

    // Breaks when the live line of a later round lacks how fast the guest writes, the low-water
    // mark or the time left, or does not say in words that the move will not end.
    @Test("the live line says how fast the guest writes, and whether the move will end")
    func dirtying() throws {
        var text = MoveText()
        _ = text.lines(.planned(try plan()), at: .zero)
        let mib: UInt64 = 1 << 20
        let written: [(UInt64, String)] = [
            (20, "round 1  sent, 20 MiB dirtied meanwhile"),
            (150, "round 1  sent, 150 MiB dirtied meanwhile"),
        ]
        let words = [
            "alpha: round 2  40 % of 100 MiB, 10 MiB/s sent, 5.0 MiB/s dirtied, "
                + "low-water mark 20 MiB, 6–12 s left",
            "alpha: round 2  40 % of 100 MiB, 10 MiB/s sent, 38 MiB/s dirtied, "
                + "low-water mark 150 MiB, will not converge at this rate",
        ]
        for ((dirtied, sent), words) in zip(written, words) {
            var text = text
            let report = round(
                1, dirty: 100 * mib, wire: mib, seconds: 4, dirtied: dirtied * mib)
            #expect(live(text.lines(.round(report), at: .zero))?.text() == "alpha: " + sent)
            var last: [MoveText.Line] = []
            for step in 0..<5 {
                let message = RoundProgress(
                    round: 2, done: UInt64(step) * 2560, total: 25600,
                    wireBytes: UInt64(step) * 10 * mib)
                last = text.lines(.progress(message), at: .seconds(step))
            }
            #expect(live(last)?.text() == words)
            // A report of the round that has ended takes nothing back.
            let late = RoundProgress(round: 1, done: 1, total: 25600, wireBytes: 0)
            #expect(live(text.lines(.progress(late), at: .seconds(9)))?.text() == words)
        }
    }

    private func live(_ lines: [MoveText.Line]) -> LiveLine? {
        for case .live(let line) in lines { return line.line(width: 200) }
        return nil
    }

    // Breaks when the final lines lose the blackout's parts, which must add up, or the numbers.
    @Test("the result of a move is two lines")
    func result() throws {
        #expect(
            MoveText.result(try outcome(.moved(report(), incomplete: nil))) == [
                "beta:  running   "
                    + "blackout 24 ms = last pages 8 + device state 6 + commit 4 + resume 6",
                "moved web1 to beta in 3.6 s; 321 MiB on the wire, 1,048,576 pages verified.",
            ])
        let words: [(MigrationPolicy.Verification, String)] = [
            (.frame, "frames verified."), (.audit, "1,048,576 pages verified (audit)."),
            (.full, "1,048,576 pages verified (full)."),
        ]
        for (level, words) in words {
            var report = report()
            report.verified = level
            let lines = MoveText.result(try outcome(.moved(report, incomplete: nil)))
            #expect(lines.last?.hasSuffix(" on the wire, \(words)") == true, "\(lines)")
        }
        var short = Downtime()
        short.finalPages = .microseconds(1234)
        short.resume = .microseconds(100)
        #expect(
            MoveText.blackout(short)
                == "blackout 1.4 ms = last pages 1.3 + device state 0.0 + commit 0.0 + resume 0.1")
    }

    // Breaks when a failed move does not end with the place of the guest, on standard output.
    @Test("a failed move ends with where the guest is")
    func failure() throws {
        let failed = try outcome(.failed(LivemigError(.blackout, "no READY")))
        #expect(MoveText.result(failed) == ["VM web1 is RUNNING on beta (epoch 7)"])
        let error = LivemigError(.connect, "refused", at: "alpha", fix: "start sshd")
        #expect(ErrorText.line(error) == "livemig: error[E-CONNECT]: refused; alpha; start sshd")
        #expect(ErrorText.line(error, style: .colored).contains("\u{1B}[1;31merror[E-CONNECT]:"))
    }

    // Breaks when a dry run does not say that nothing was changed.
    @Test("a plan fits 80 columns and says that nothing was changed")
    func dryRun() throws {
        let lines = MoveText.result(try outcome(.planned(try plan())))
        #expect(lines.last == "would move. Nothing was changed.")
        #expect(lines.first == "web1: alpha → beta   4.0 GiB RAM")
        for line in lines { #expect(line.count <= 80, "\(line)") }
        #expect(lines.contains { $0.contains("switch over, verify every page, hand") })
    }

    // Breaks when a plan promises another comparison than the one that was asked for.
    @Test(
        "a plan says what is compared",
        arguments: [
            (.frame, "switch over, hand ownership"), (.full, "switch over, hash both memories"),
            (.audit, "remove the copy on alpha and audit what it held"),
        ] as [(MigrationPolicy.Verification, String)])
    func plannedComparison(_ level: MigrationPolicy.Verification, _ words: String) throws {
        var policy = MigrationPolicy()
        policy.verification = level
        let plan = try MovePlan(
            moving: VMName("web1"), from: side("alpha", [machine()]), to: side("beta"),
            policy: policy)
        let lines = MoveText.result(try outcome(.planned(plan)))
        #expect(lines.contains { $0.contains(words) }, "\(lines)")
        for line in lines { #expect(line.count <= 80, "\(line)") }
    }

    private struct Result: Decodable {
        let event, vm, migration, source, destination, outcome, mode, verified: String
        let exitCode, rounds: Int
        let totalMs, transferMs: Double
        let downtimeMs: [String: Double]
        let guestBytes, wireBytes: UInt64
        let pages: [String: UInt64]
        let vmIs: Place
        let time: String

        struct Place: Decodable {
            let state, host: String
            let epoch: UInt64
        }
    }

    // Breaks when a field that scripts rely on is renamed, missing or wrong.
    @Test("the result has every published field")
    func resultJSON() throws {
        let line = JSONText.line(ResultEvent(try outcome(.moved(report(), incomplete: nil))))
        #expect(!line.contains("\n"))
        for name in [
            "exit_code", "total_ms", "transfer_ms", "downtime_ms", "guest_bytes", "wire_bytes",
            "vm_is", "final_pages", "device_state",
        ] {
            #expect(line.contains("\"\(name)\":"))
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let result = try decoder.decode(Result.self, from: Data(line.utf8))
        #expect(result.event == "result")
        #expect(result.outcome == "moved")
        #expect(result.exitCode == 0)
        #expect(result.totalMs == 3600)
        #expect(result.transferMs == 1540)
        #expect(
            result.downtimeMs == [
                "total": 23.7, "final_pages": 7.9, "device_state": 6, "commit": 4,
                "resume": 5.8,
            ])
        #expect(result.pages["sent"] == 31_021)
        #expect(result.pages["zero"] == 182_211)
        #expect(result.pages["unchanged"] == 77)
        #expect(result.guestBytes == 4 << 30)
        #expect(result.wireBytes == 321 << 20)
        #expect(result.verified == "pages")
        #expect(result.vmIs.state == "running")
        #expect(result.vmIs.epoch == 7)
        #expect(result.time.hasSuffix("Z"))
    }

    // Breaks when a move whose audit found differences claims to be verified, or hides them.
    @Test("what an audit found is in the result, in place of the level")
    func auditJSON() throws {
        var report = report()
        report.verified = .audit
        let good = JSONText.line(ResultEvent(try outcome(.moved(report, incomplete: nil))))
        #expect(good.contains(#""verified":"audit""#))
        #expect(!good.contains("differing_pages"))
        for page in [17, 18] as [UInt64] { report.differing.add(page) }
        let error = LivemigError(.verify, "2 pages differ")
        let bad = try outcome(.moved(report, incomplete: error))
        let line = JSONText.line(ResultEvent(bad))
        #expect(line.contains(#""differing_pages":{"count":2,"first":[17,18]}"#), "\(line)")
        #expect(line.contains(#""outcome":"moved""#))
        #expect(line.contains(#""exit_code":9"#))
        #expect(!line.contains("verified"))
        let text = MoveText.result(bad)
        #expect(text.contains { $0.hasSuffix("on the wire, 2 pages differ.") })
        #expect(text.last == "VM web1 is RUNNING on beta (epoch 7)")
    }

    // Breaks when a failed move claims verification, or its exit code is not the error's.
    @Test("a failed move's result has no measurements")
    func failedJSON() throws {
        let line = JSONText.line(
            ResultEvent(try outcome(.failed(LivemigError(.memory, "needs 4 GiB")))))
        #expect(line.contains(#""exit_code":13"#))
        #expect(line.contains(#""outcome":"refused""#))
        #expect(line.contains(#""code":"E-NOMEM""#))
        #expect(!line.contains("verified"))
        #expect(!line.contains("downtime_ms"))
    }

    // Breaks when an event has another name or lacks what makes it useful.
    @Test("events carry their names and numbers")
    func eventsJSON() throws {
        let vm = VMReference(name: try VMName("web1"))
        let events: [(MigrationEvent, [String])] = [
            (.planned(try plan()), [#""event":"plan""#, #""memory_bytes":4294967296"#]),
            (.phase(.switchover), [#""event":"phase""#, #""phase":"switchover""#]),
            (
                .round(round(1, dirty: 8192, wire: 4096, seconds: 1, dirtied: 4096)),
                [
                    #""event":"round""#, #""number":1"#, #""pages":2"#, #""bytes":4096"#,
                    #""rate":4096"#, #""dirty_rate":4096"#,
                ]
            ),
            (
                .progress(RoundProgress(round: 1, done: 2, total: 3, wireBytes: 4)),
                [#""event":"progress""#, #""done":2"#, #""total":3"#, #""wire_bytes":4"#]
            ),
        ]
        for (event, parts) in events {
            let line = try #require(MoveJSON.line(event, vm: vm))
            for part in parts + [#""vm":"web1""#, #""time":""#] {
                #expect(line.contains(part), "\(line)")
            }
        }
    }

    // Breaks when columns do not line up or a host that is silent is left out.
    @Test("tables line up")
    func tables() throws {
        let answers = [
            HostAnswer(
                try hostRecord("alpha"),
                .success(
                    MachineList(
                        [machine(), machine(.stopped, name: "a")], damaged: [try damage("d")]))
            ),
            HostAnswer(
                try hostRecord("beta"),
                Swift.Result<MachineList, LivemigError>.failure(LivemigError(.connect, "x"))),
        ]
        let json = JSONText.line(MachinesDocument(answers))
        let parts = [
            #""damaged":[{"#, #""code":"E-JOURNAL-CORRUPT""#, #""name":"d""#, #""host":"alpha""#,
        ]
        for part in parts { #expect(json.contains(part), "\(json)") }
        #expect(
            MachineText.list(answers) == [
                "NAME  HOST   STATE    MEMORY   VCPUS  EPOCH",
                "web1  alpha  running  4.0 GiB  2      6",
                "a     alpha  stopped  4.0 GiB  2      6",
            ])
        let status = VMLocation(
            of: "web1",
            [
                .init(host: try HostName("alpha"), machine: machine()),
                .init(
                    host: try HostName("gamma"), view: .silent(LivemigError(.connect, "refused"))),
            ])
        #expect(
            MachineText.status([status]) == [
                "web1 runs on alpha (epoch 6)",
                "  alpha  OWN  running                    epoch 6  may run it",
                "  gamma  ?    not reachable (E-CONNECT)",
            ])
    }

    // Breaks when a key that leaves the console is typed at the guest, or what precedes it is lost.
    @Test("Ctrl-] leaves the console")
    func escape() {
        #expect(TypedBytes.split([65, 66]).leaves == false)
        let typed = TypedBytes.split([65, 0x1D, 66])
        #expect(typed.bytes == [65])
        #expect(typed.leaves)
    }
}
