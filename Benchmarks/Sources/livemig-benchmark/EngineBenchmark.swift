import Foundation

/// The engine alone: an idle reference guest with 1000 MiB of incompressible content through one
/// lane.
///
/// The figure is bytes on the wire in the first round, over that round's time.
struct EngineBenchmark {
    let runs: Int

    func run() throws {
        let hosts = try TwoHosts()
        try hosts.start(
            """
            <domain type="synthetic"><name>guest</name><memory unit="MiB">1024</memory>
            <vcpu>1</vcpu><os><type>hvm</type>
            <cmdline>fill=1000MiB rate=0 content=random</cmdline></os></domain>
            """)
        for compression in ["none", "auto"] {
            var rates: [Double] = []
            for _ in 1...runs {
                let events = try hosts.move(["--lanes", "1", "--compression", compression])
                let first = events.first { $0["event"] as? String == "round" }
                if let rate = first?["rate"] as? Double { rates.append(rate / 1e6) }
            }
            print("engine  \(compression)  one lane  \(Spread(rates, "MB/s"))")
        }
    }
}
