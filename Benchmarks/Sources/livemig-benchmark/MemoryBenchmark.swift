import Foundation
import Synchronization

/// The memory that agents take for guests of growing size: the most private memory of all
/// `livemig-agent` processes of a host at any moment of a move, guardian included.
///
/// Guest RAM itself, mapped by source and destination, is not counted.
struct MemoryBenchmark {
    func run() throws {
        for (gibibytes, fill) in [(1, "512MiB"), (4, "512MiB"), (8, "8000MiB"), (16, "512MiB")] {
            let hosts = try TwoHosts()
            try hosts.start(
                """
                <domain type="synthetic"><name>guest</name><memory unit="GiB">\(gibibytes)</memory>
                <vcpu>1</vcpu><os><type>hvm</type>
                <cmdline>fill=\(fill) ws=64MiB rate=50MB/s content=mixed</cmdline></os></domain>
                """)
            let source = PeakMemory(root: hosts.alpha.root)
            let destination = PeakMemory(root: hosts.beta.root)
            _ = try hosts.move()
            print(
                "memory  \(gibibytes) GiB guest, \(fill) in use  source \(source.stop()) KiB  "
                    + "destination \(destination.stop()) KiB")
        }
    }
}

/// Watches the private memory of a host's agents until it is stopped.
final class PeakMemory: Sendable {
    private let peak = Atomic<Int>(0)
    private let hasEnded = Atomic<Bool>(false)

    init(root: String) {
        Thread.detachNewThread { [self] in
            while !hasEnded.load(ordering: .relaxed) {
                peak.max(Self.privateKibibytes(root), ordering: .relaxed)
                usleep(5000)
            }
        }
    }

    /// Ends watching; returns the most that was seen, in KiB.
    func stop() -> Int {
        hasEnded.store(true, ordering: .relaxed)
        return peak.load(ordering: .relaxed)
    }

    private static func privateKibibytes(_ root: String) -> Int {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.filter { Int($0) != nil }.map { process -> Int in
            guard
                let arguments = try? String(
                    contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8),
                arguments.hasPrefix("/"), arguments.contains("livemig-agent\0"),
                arguments.contains("\0\(root)\0"),
                let status = try? String(
                    contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
            else { return 0 }
            let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
            return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
        }.reduce(0, +)
    }
}
