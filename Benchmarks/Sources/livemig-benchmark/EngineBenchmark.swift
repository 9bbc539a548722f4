import Foundation

/// The engine alone: an idle reference guest with 1000 MiB of incompressible content through one
/// lane, beside what the `ssh` command carries.
///
/// The figure is bytes on the wire in the first round, over that round's time. A first move is not
/// counted: it pays for memory that this machine has not used before.
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
        let ssh = try BareSSH(hosts.beta.ssh)
        defer { ssh.remove() }
        let settings = ["none", "auto"]
        var rates: [String: [Double]] = [:]
        _ = try hosts.move(["--lanes", "1"])
        for _ in 1...runs {
            rates["ssh", default: []].append(try ssh.run())
            for compression in settings {
                let events = try hosts.move(["--lanes", "1", "--compression", compression])
                let first = events.first { $0["event"] as? String == "round" }
                if let rate = first?["rate"] as? Double {
                    rates[compression, default: []].append(rate / 1e6)
                }
            }
        }
        print("bare ssh          \(Spread(rates["ssh"] ?? [], "MB/s"))")
        for compression in settings {
            print("engine  \(compression)  one lane  \(Spread(rates[compression] ?? [], "MB/s"))")
        }
    }
}
