import MigrationModel
import Testing

@Suite("Quantities with units")
struct QuantityTests {
    // Broken by: a wrong factor, a unit that is forgotten, rounding down of fractions.
    @Test(
        "sizes that are understood",
        arguments: [
            ("0B", 0), ("4096B", 4096), ("1K", 1024), ("1KiB", 1024), ("1KB", 1000),
            ("64MiB", 64 << 20), ("64M", 64 << 20), ("1MB", 1_000_000), ("1.5 GiB", 3 << 29),
            ("2G", 2 << 30), ("1GB", 1_000_000_000), ("1TiB", 1 << 40), ("1T", 1 << 40),
            ("1TB", 1_000_000_000_000), ("0.5KiB", 512), ("007KiB", 7168), (".5KiB", 512),
            ("8000000TiB", 8_000_000 << 40),
        ] as [(String, UInt64)])
    func goodSize(text: String, bytes: UInt64) throws {
        #expect(try ByteCount(parsing: text).bytes == bytes)
    }

    // Broken by: a default unit, a sign or an exponent let through, an overflow that traps.
    @Test(
        "sizes that are refused with E-SIZE",
        arguments: [
            "", " ", "10", "-1", "-1MiB", "+1MiB", "9e99", "9e99MiB", "1GiBps?", "1 GiB ", " 1GiB",
            "GiB", "1.2.3MiB", ".", ".MiB", "0x10MiB", "1mib", "1gb", "1,5GiB", "½GiB", "１GiB",
            "9999999999TiB", String(repeating: "9", count: 400) + "B", "1GiB\n", "nanB", "infB",
            "1\u{0}MiB",
        ])
    func badSize(text: String) {
        let error = #expect(throws: LivemigError.self) { try ByteCount(parsing: text) }
        #expect(error?.code == .size)
        #expect(error?.code.exitCode == .usage)
    }

    // Broken by: bits taken for bytes, decimal for binary.
    @Test(
        "rates that are understood",
        arguments: [
            ("8bit", 1), ("1Kbit", 125), ("100Mbit", 12_500_000), ("1Gbit", 125_000_000),
            ("50MiB/s", 50 << 20), ("50MB/s", 50_000_000), ("1KB/s", 1000), ("1KiB/s", 1024),
            ("1GB/s", 1_000_000_000), ("1.5GiB/s", 3 << 29), ("7B/s", 7),
        ] as [(String, UInt64)])
    func goodRate(text: String, rate: UInt64) throws {
        #expect(try Bandwidth(parsing: text).bytesPerSecond == rate)
    }

    // Broken by: any input of the contract's table getting through, or a rate of nothing.
    @Test(
        "rates that are refused with E-SIZE",
        arguments: [
            "10", "-1", "9e99", "1GiBps?", "0Gbit", "0.1bit", "", "1Gbps", "1MiB", "1 MiB / s",
            "99999999999Gbit", "1Gbit/s",
        ])
    func badRate(text: String) {
        let error = #expect(throws: LivemigError.self) { try Bandwidth(parsing: text) }
        #expect(error?.code == .size)
    }

    // Broken by: a unit taken for another, `m` for milli.
    @Test(
        "times that are understood",
        arguments: [
            ("300ms", .milliseconds(300)), ("30s", .seconds(30)), ("5m", .seconds(300)),
            ("5min", .seconds(300)), ("2h", .seconds(7200)), ("0.5ms", .microseconds(500)),
            ("1.5 s", .milliseconds(1500)),
        ] as [(String, Duration)])
    func goodTime(text: String, time: Duration) throws {
        #expect(try Duration(parsing: text) == time)
    }

    // Broken by: a time of nothing accepted, which would make every budget unreachable.
    @Test(
        "times that are refused",
        arguments: [
            ("0ms", .range), ("0.0000001ms", .range), ("0", .size), ("300", .size), ("-1s", .size),
            ("1d", .size), ("9e99s", .size), ("9999999h", .size), ("1us", .size), ("", .size),
        ] as [(String, ErrorCode)])
    func badTime(text: String, code: ErrorCode) {
        let error = #expect(throws: LivemigError.self) { try Duration(parsing: text) }
        #expect(error?.code == code)
        #expect(error?.code.exitCode == .usage)
    }

    // Broken by: a wrong threshold between units, a lost sign, a trap on the largest durations.
    @Test(
        "brief times",
        arguments: [
            (.zero, "0.0 ms"), (.microseconds(1240), "1.2 ms"), (.milliseconds(24), "24 ms"),
            (.milliseconds(999), "999 ms"), (.milliseconds(3600), "3.6 s"),
            (.seconds(119), "119.0 s"), (.seconds(120), "2 min"), (.seconds(720), "12 min"),
            (.microseconds(-500), "-0.5 ms"), (.seconds(Int64.max), "153722867280912928 min"),
        ] as [(Duration, String)])
    func brief(time: Duration, text: String) { #expect(time.brief == text) }

    // Broken by: digits or unit of the printed form, which tables align on.
    @Test(
        "printed sizes",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10 << 10, "10 KiB"),
            (1536 << 20, "1.5 GiB"), (111 << 20, "111 MiB"), (1 << 40, "1.0 TiB"),
            (.max, "16384 PiB"),
        ] as [(UInt64, String)])
    func printed(bytes: UInt64, text: String) {
        #expect(ByteCount(bytes).description == text)
        #expect(Bandwidth(bytesPerSecond: bytes).description == text + "/s")
    }

    // Broken by: arithmetic that traps on numbers a hostile peer reports.
    @Test func `counts from a peer never trap`() {
        var pages = PageCounts()
        pages.sent = .max
        pages.zero = .max
        pages.unchanged = .max
        #expect(pages.total == .max)
        #expect((pages + pages).sent == .max)
        let round = RoundReport(
            number: .max, dirtyPages: .max, pages: pages, wireBytes: .max,
            duration: .nanoseconds(Int64.min), dirtiedPages: .max)
        #expect(round.rate > 0)
        #expect(round.dirtyRate > 0)
        var downtime = Downtime()
        downtime.finalPages = .nanoseconds(Int64.max)
        downtime.deviceState = .nanoseconds(Int64.max)
        downtime.commit = .nanoseconds(Int64.max)
        #expect(downtime.total > .seconds(1))
        #expect(Epoch(.max).next == nil)
        #expect(Epoch(7).next == Epoch(8))
    }
}
