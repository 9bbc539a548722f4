import Foundation
import TestSupport

/// Predictions beside what then happened: several workloads, each moved once there and back.
struct PredictionBenchmark {
    let runs: Int

    /// A guest, and how it is moved.
    private struct Workload {
        let name: String
        let domain: String
        var options: [String] = []
        /// What its console says once its memory is filled; `nil` for one that fills it at once.
        var sign: String?
    }

    private static func reference(
        _ name: String, _ words: String, memory: Int = 1024, _ options: [String] = []
    ) -> Workload {
        Workload(
            name: name,
            domain: """
                <domain type="synthetic"><name>guest</name><memory unit="MiB">\(memory)</memory>
                <vcpu>1</vcpu><os><type arch="x86_64">hvm</type><cmdline>\(words)</cmdline></os>
                </domain>
                """, options: options)
    }

    private static var workloads: [Workload] {
        let guest = ProcessInfo.processInfo.environment["LIVEMIG_GUEST"] ?? ".build/guest"
        return [
            Workload(
                name: "Linux in QEMU, 512 MiB mixed, 64 MiB at 50 MB/s",
                domain: """
                    <domain type="qemu"><name>guest</name><memory unit="MiB">1024</memory>
                    <vcpu>1</vcpu><os><type arch="x86_64" machine="q35">hvm</type>
                    <kernel>\(guest)/vmlinuz</kernel><initrd>\(guest)/initramfs.cpio.gz</initrd>
                    <cmdline>console=ttyS0 panic=-1 quiet lm.fill=512 lm.ws=64 lm.rate=50 lm.content=mixed lm.check=0</cmdline>
                    </os><devices><serial type="pty"/></devices></domain>
                    """, sign: "beat="),
            reference("idle", "fill=512MiB rate=0 content=mixed"),
            reference("16 MiB at 20 MB/s", "fill=512MiB ws=16MiB rate=20MB/s content=mixed"),
            reference(
                "128 MiB at 100 MB/s", "fill=512MiB ws=128MiB rate=100MB/s content=mixed"),
            reference(
                "64 MiB at 50 MB/s, limited to 800 Mbit/s",
                "fill=512MiB ws=64MiB rate=50MB/s content=mixed", ["--bandwidth", "800Mbit"]),
        ]
    }

    func run() throws {
        print("| workload | lanes | rounds | total | blackout | inside |")
        print("| --- | --- | --- | --- | --- | --- |")
        var (inside, all) = (0, 0)
        for workload in Self.workloads {
            let hosts = try TwoHosts()
            try hosts.start(workload.domain)
            if let sign = workload.sign {
                _ = try hosts.alpha.console("guest", type: "", until: sign, patience: .seconds(90))
            }
            for _ in 0..<max(2, runs * 2 / Self.workloads.count) {
                let events = try hosts.move(["--predict"] + workload.options)
                guard let row = Row(events) else { continue }
                print("| \(workload.name) | \(row.words) |")
                all += 1
                if row.isInside { inside += 1 }
            }
        }
        print("predictions  total and blackout inside in \(inside) of \(all) moves")
    }

    /// One move beside its prediction.
    private struct Row {
        let words: String
        let isInside: Bool

        init?(_ events: [[String: Any]]) {
            guard
                let event = events.first(where: { $0["event"] as? String == "prediction" }),
                let prediction = event["prediction"] as? [String: Any],
                let measured = prediction["measured"] as? [String: Any],
                let lanes = measured["lane_rate"] as? [String: Double],
                let result = events.last(where: { $0["event"] as? String == "result" }),
                let downtime = result["downtime_ms"] as? [String: Double],
                let rounds = Figure(prediction["rounds"], result["rounds"]),
                let total = Figure(prediction["total_ms"], result["transfer_ms"]),
                let blackout = Figure(prediction["blackout_ms"], downtime["total"])
            else { return nil }
            isInside = total.isInside && blackout.isInside
            let rates = [lanes["low"], lanes["high"]].map { ($0 ?? .nan) / 1e6 }
            words = [
                String(format: "%.0f–%.0f MB/s", rates[0], rates[1]),
                rounds.words(""), total.words(" ms"), blackout.words(" ms"),
                isInside ? "yes" : "no",
            ].joined(separator: " | ")
        }
    }

    /// A figure beside its range.
    private struct Figure {
        let range: ClosedRange<Double>
        let actual: Double

        init?(_ span: Any?, _ actual: Any?) {
            guard let span = span as? [String: Double], let low = span["low"],
                let high = span["high"], let actual = actual as? Double
            else { return nil }
            (range, self.actual) = (low...high, actual)
        }

        var isInside: Bool { range.contains(actual) }

        func words(_ unit: String) -> String {
            String(format: "%.0f of %.0f–%.0f", actual, range.lowerBound, range.upperBound) + unit
        }
    }
}
