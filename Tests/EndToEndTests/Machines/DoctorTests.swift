import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// The examination of real hosts, by the controller and on the host itself.
@Suite(.serialized) struct DoctorTests {
    struct Document: Decodable {
        let hosts: [Host]

        struct Host: Decodable {
            let name: String
            let reachable: Bool
            let findings: [Item]
            let error: Failure?
        }

        struct Item: Decodable, Hashable {
            let id, severity, message: String
            let fix: String?
        }

        struct Failure: Decodable {
            let code: String
        }
    }

    private static let ids = [
        "agent", "kernel", "tracking", "preload", "qemu", "confinement", "kvm", "tap", "libssh",
        "sshd", "gate", "root",
        "journal", "space", "memory", "hugepages", "policy", "hooks", "guardians",
    ]

    private func examine(_ someone: Operator, _ names: String...) throws -> (Document, Int32) {
        let run = try someone.begin(["doctor", "--output", "json"] + names).finish()
        return (try #require(try run.decode(Document.self).first, "\(run)"), run.status)
    }

    /// What the agent prints on its own host: the state and the name in each line.
    private func ownWords(_ host: TestHost) throws -> (states: [String], status: Int32) {
        let output = try ProgramOutput(
            of: BuildProducts.program("livemig-agent"), ["doctor", "--root", host.root],
            patience: .seconds(30))
        let lines = output.text.split(separator: "\n").filter { !$0.hasPrefix(" ") }
        let states = lines.map { line in
            line.split(separator: " ").prefix(2).joined(separator: " ")
        }
        return (states, output.status)
    }

    // Breaks when a host that cannot be reached hides the others, when the two examinations differ,
    // or when a healthy host is said to be ill.
    @Test(.timeLimit(.minutes(1))) func hosts() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let (document, status) = try examine(someone)
        #expect(status == 0, "\(document)")
        #expect(document.hosts.map(\.name) == ["alpha", "beta"])
        for host in document.hosts {
            #expect(host.findings.map(\.id) == Self.ids + ["clock"])
            #expect(host.findings.allSatisfy { $0.severity != "error" }, "\(host)")
            #expect(host.findings.allSatisfy { ($0.fix == nil) == ($0.severity == "ok") })
        }
        let own = try ownWords(hosts.alpha)
        #expect(own.status == 0)
        let seen = document.hosts.first?.findings.dropLast().map { "\($0.severity) \($0.id)" }
        #expect(own.states == seen)

        try someone.add(hosts.beta, .init(name: "gone", port: 1))
        let (all, worst) = try examine(someone)
        #expect(worst == 5)
        #expect(all.hosts.map(\.reachable) == [true, true, false])
        #expect(all.hosts.last?.error?.code == "E-CONNECT")
        let text = try someone.run("doctor")
        #expect(text.lines.contains("gone: not reachable"), "\(text)")
        #expect(text.lines.contains { $0.hasPrefix("alpha: ") })
        #expect(text.lines.contains { $0.hasPrefix("  E-CONNECT") })
        #expect(try examine(someone, "alpha").0.hosts.map(\.name) == ["alpha"])
        try someone.run("doctor", "delta").expect(.noHost, "delta")
    }

    // Breaks when something that keeps guests from being moved is not found, or passes for well.
    @Test(.timeLimit(.minutes(1))) func illness() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let folder = hosts.beta.root + "/hooks"
        #expect(unsafe mkdir(folder, 0o755) == 0)
        #expect(unsafe mkdir(folder + "/pre-move", 0o755) == 0)
        let policy = try OwnedDescriptor.open(hosts.beta.root + "/host.xml", O_WRONLY | O_TRUNC)
        try DescriptorIO.write(Array("<hostPolicy version=\"2\"/>".utf8), to: policy.number)
        let (document, status) = try examine(someone)
        #expect(status == 3)
        let bad = document.hosts.map { host in
            host.findings.filter { $0.severity == "error" }.map(\.id)
        }
        #expect(bad == [[], ["policy", "hooks"]])
        let hooks = document.hosts.last?.findings.first { $0.id == "hooks" }
        #expect(hooks?.message.contains("hooks/pre-move") == true)
        let own = try ownWords(hosts.beta)
        #expect(own.status == 3)
        #expect(own.states.filter { $0.hasPrefix("error") } == ["error policy", "error hooks"])
    }
}
