import Foundation

/// What each level of `--verify` costs: an idle reference guest with 3 GiB of incompressible content,
/// moved at every level in turn.
struct VerifyBenchmark {
    let runs: Int

    private static let filled = 3.0

    func run() throws {
        let hosts = try TwoHosts()
        try hosts.start(
            """
            <domain type="synthetic"><name>guest</name><memory unit="GiB">4</memory>
            <vcpu>1</vcpu><os><type>hvm</type>
            <cmdline>fill=3GiB rate=0 content=random zero=0</cmdline></os></domain>
            """)
        var blackouts: [String: [Double]] = [:]
        var totals: [String: [Double]] = [:]
        let levels = ["frame", "pages", "audit", "full"]
        for _ in 1...runs {
            for level in levels {
                let events = try hosts.move(["--verify", level, "--max-downtime", "5s"])
                guard let result = events.last(where: { $0["event"] as? String == "result" }),
                    let downtime = result["downtime_ms"] as? [String: Double]
                else { continue }
                blackouts[level, default: []].append(downtime["total"] ?? .nan)
                totals[level, default: []].append(result["total_ms"] as? Double ?? .nan)
            }
        }
        for level in levels {
            print("verify  \(level)  blackout  \(Spread(blackouts[level] ?? [], "ms"))")
            print("verify  \(level)  total     \(Spread(totals[level] ?? [], "ms"))")
        }
        let extra =
            Spread(blackouts["full"] ?? [], "").median - Spread(blackouts["pages"] ?? [], "").median
        print(String(format: "verify  full costs %.0f ms of blackout per GiB", extra / Self.filled))
    }
}
