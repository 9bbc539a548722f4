import FrameTransport
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Two hosts with sshd of their own, and a reference guest that runs on one of them.
final class TwoHosts {
    let alpha: TestHost
    let beta: TestHost

    convenience init() throws {
        try self.init(alpha: TestHost("alpha"), beta: TestHost("beta"))
    }

    init(alpha: TestHost, beta: TestHost) throws {
        self.alpha = alpha
        self.beta = beta
        try beta.trust(alpha)
        try alpha.trust(beta)
    }

    func start(_ workload: String, memory: Int = 64) throws {
        let document = """
            <domain type="synthetic"><name>guest</name>
            <uuid>7d3c8f7e-2f55-4a0a-9d0b-0f6f5b1c2d3e</uuid>
            <memory unit="MiB">\(memory)</memory><vcpu>1</vcpu>
            <os><type>hvm</type><cmdline>\(workload)</cmdline></os>
            <devices><serial type="pty"/></devices></domain>
            """
        try start(document: document)
    }

    /// Defines a VM on alpha and starts it.
    func start(document: String) throws {
        let agent = try alpha.agent()
        _ = try agent.request(DefineMachine(definition: document), for: MachineMessage.self)
        let started = try agent.request(
            StartMachine(name: try VMName("guest")), for: MachineMessage.self)
        #expect(started.summary.state == .running)
    }

    /// Moves the guest and returns the report and the rounds.
    func move(
        from source: TestHost, to destination: TestHost, _ policy: MigrationPolicy = .init()
    ) throws -> (MigrationReport, [RoundReport]) {
        let (sending, receiving) = (try source.agent(), try destination.agent())
        let shown = try sending.request(
            ShowMachine(name: try VMName("guest")), for: MachineMessage.self)
        let epoch = try #require(shown.summary.epoch.next)
        let attempt = Attempt(migration: .random(), epoch: epoch)
        let secret = UInt64.random(in: .min ... .max)
        do {
            _ = try receiving.request(
                PrepareIncoming(
                    attempt: attempt, definition: shown.definition, secret: secret,
                    source: source.name), for: Prepared.self)
            try sending.send(
                StartOutgoing(
                    name: try VMName("guest"), attempt: attempt, secret: secret,
                    peer: destination.peer, policy: policy))
            return try result(of: sending, receiving)
        } catch {
            // What is left on the destination is judged only when its agent is done.
            _ = try? receiving.close()
            throw error
        }
    }

    private func result(
        of sending: AgentClient, _ receiving: AgentClient
    ) throws -> (MigrationReport, [RoundReport]) {
        var rounds: [RoundReport] = []
        while true {
            let frame = try sending.receive()
            switch frame.type {
            case .round: rounds.append(try frame.decode(RoundMessage.self).round)
            case .phase, .progress: break
            default:
                let report = try frame.decode(Moved.self).report
                _ = try receiving.receive().decode(DoneMessage.self)
                return (report, rounds)
            }
        }
    }

    deinit {
        for host in [alpha, beta] {
            let agent = try? host.agent()
            let name = try? VMName("guest")
            if let agent, let name {
                _ = try? agent.request(StopMachine(name: name), for: MachineMessage.self)
            }
        }
    }
}

@Suite(.serialized) struct SyntheticMoveTests {
    // Breaks when a page is lost, stale or torn on its way, or when anything is left behind.
    @Test(.timeLimit(.minutes(1))) func movesThereAndBackIntact() throws {
        let hosts = try TwoHosts()
        try hosts.start("fill=32MiB ws=8MiB rate=50MiB/s content=mixed writers=2 zero=8")
        let (there, rounds) = try hosts.move(from: hosts.alpha, to: hosts.beta)
        #expect(there.sourceIsClean)
        #expect(there.isRunning)
        #expect(rounds.count >= 2)
        #expect(hosts.alpha.leftovers == [])
        #expect(try hosts.beta.differingPages() == "0")
        let (back, _) = try hosts.move(from: hosts.beta, to: hosts.alpha)
        #expect(back.epoch == Epoch(2))
        #expect(hosts.beta.leftovers == [])
        #expect(try hosts.alpha.differingPages() == "0")
    }
}

extension TestHost {
    /// How many pages the reference guest finds to differ from what it wrote.
    func differingPages() throws -> String {
        let line = try console("guest", type: "verify", until: "GUEST verify ")
        return line.split(separator: " ").dropFirst(2).joined(separator: " ")
            .split(separator: ":").first.map(String.init) ?? line
    }
}
