import Foundation
import TestSupport

/// Whole moves of a Linux guest in QEMU by the `livemig` command: 1 GiB of RAM, 512 MiB of mixed
/// content, 64 MiB of it rewritten at 50 MB/s, over loopback.
struct MoveBenchmark {
    let runs: Int

    func run() throws {
        let guest = ProcessInfo.processInfo.environment["LIVEMIG_GUEST"] ?? ".build/guest"
        let hosts = try TwoHosts()
        try hosts.start(
            """
            <domain type="qemu"><name>guest</name><memory unit="MiB">1024</memory><vcpu>1</vcpu>
            <os><type arch="x86_64" machine="q35">hvm</type><kernel>\(guest)/vmlinuz</kernel>
            <initrd>\(guest)/initramfs.cpio.gz</initrd>
            <cmdline>console=ttyS0 panic=-1 quiet lm.fill=512 lm.ws=64 lm.rate=50 lm.content=mixed lm.check=0</cmdline>
            </os><devices><serial type="pty"/></devices></domain>
            """)
        _ = try hosts.alpha.console("guest", type: "", until: "beat=", patience: .seconds(90))
        var blackouts: [Double] = []
        var totals: [Double] = []
        var transfers: [Double] = []
        var wire: [Double] = []
        for number in 1...runs {
            let events = try hosts.move()
            guard let result = events.last(where: { $0["event"] as? String == "result" }),
                let downtime = result["downtime_ms"] as? [String: Double],
                let total = result["total_ms"] as? Double
            else { continue }
            blackouts.append(downtime["total"] ?? .nan)
            totals.append(total)
            transfers.append(result["transfer_ms"] as? Double ?? .nan)
            wire.append((result["wire_bytes"] as? Double ?? .nan) / 1e6)
            print(
                "move \(number): blackout \(downtime), total \(total) ms, rounds \(result["rounds"] ?? "?")"
            )
        }
        print("move  blackout  \(Spread(blackouts, "ms"))")
        print("move  total     \(Spread(totals, "ms"))")
        print("move  transfer  \(Spread(transfers, "ms"))")
        print("move  wire      \(Spread(wire, "MB"))")
    }
}
