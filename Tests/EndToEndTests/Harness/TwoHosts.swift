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

    /// Makes the hosts; they trust each other for lanes unless a test does that itself.
    convenience init(trusting: Bool = true) throws {
        try self.init(alpha: TestHost("alpha"), beta: TestHost("beta"), trusting: trusting)
    }

    init(alpha: TestHost, beta: TestHost, trusting: Bool = true) throws {
        self.alpha = alpha
        self.beta = beta
        guard trusting else { return }
        try beta.trust(alpha)
        try alpha.trust(beta)
    }

    /// The identity of the guest that `start` defines.
    static let guest = VMUUID(
        Bits128(high: 0x7d3c_8f7e_2f55_4a0a, low: 0x9d0b_0f6f_5b1c_2d3e))

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
        let move = try begin(from: source, to: destination, policy)
        let report = try move.finish()
        try move.close()
        return (report, move.rounds)
    }

    /// Begins a move; the destination is prepared and the source has its order.
    /// - Parameters:
    ///   - vm: the guest.
    ///   - source: where it is.
    ///   - destination: where it goes.
    ///   - policy: how the move behaves.
    ///   - strayKey: whether the hosts get different keys for their page hashes, so that each of them
    ///     takes every page for another content.
    ///   - sourceKeys: the source's own keys, as far as the destination is told.
    ///   - between: what happens once the destination is prepared and before the source is told.
    ///   - preparing: the same, given the attempt.
    func begin(
        _ vm: String = "guest", from source: TestHost, to destination: TestHost,
        _ policy: MigrationPolicy = .init(),
        strayKey: Bool = false, sourceKeys: [String] = [],
        between: (MachineSummary) throws -> Void = { _ in },
        preparing: (Attempt) throws -> Void = { _ in }
    ) throws -> MoveInProgress {
        let name = try VMName(vm)
        let (sending, receiving) = (try source.agent(), try destination.agent())
        let shown = try sending.request(
            ShowMachine(name: name), for: MachineMessage.self)
        let attempt = Attempt(
            migration: .random(), epoch: Epoch(shown.summary.epoch.number + 1))
        let secret = UInt64.random(in: .min ... .max)
        _ = try receiving.request(
            PrepareIncoming(
                attempt: attempt, definition: shown.definition,
                secret: strayKey ? secret ^ 1 : secret, source: source.name,
                sourceKeys: sourceKeys), for: Prepared.self)
        try preparing(attempt)
        try between(shown.summary)
        try sending.send(
            StartOutgoing(
                name: name, attempt: attempt, secret: secret,
                definition: StartOutgoing.checksum(of: shown.definition), peer: destination.peer,
                policy: policy))
        return MoveInProgress(source: sending, destination: receiving, attempt: attempt)
    }

    /// What a host says about the guest.
    func summary(on host: TestHost) throws -> MachineSummary {
        try host.agent().request(
            ShowMachine(name: try VMName("guest")), for: MachineMessage.self
        ).summary
    }

    deinit {
        for host in [alpha, beta] {
            guard let agent = try? host.agent(),
                let list = try? agent.request(
                    ListMachines(), for: MachineListMessage.self
                ).list
            else { continue }
            for name in list.machines.compactMap({ try? VMName($0.name) }) {
                _ = try? agent.request(StopMachine(name: name), for: MachineMessage.self)
            }
        }
    }
}

/// A move under way, with the connections to both agents.
final class MoveInProgress {
    let source: AgentClient
    let destination: AgentClient
    let attempt: Attempt
    private(set) var rounds: [RoundReport] = []

    init(source: AgentClient, destination: AgentClient, attempt: Attempt) {
        self.source = source
        self.destination = destination
        self.attempt = attempt
    }

    /// Waits until the source says that a phase has begun.
    func wait(for phase: MovePhase) throws {
        while true {
            let frame = try source.receive()
            switch frame.type {
            case .round: rounds.append(try frame.decode(RoundMessage.self).round)
            case .phase where try frame.decode(PhaseMessage.self).phase == phase: return
            case .phase, .progress: break
            default: _ = try frame.decode(DoneMessage.self)
            }
        }
    }

    /// Waits for the source's last word.
    /// - Throws: the source's error.
    func finish() throws -> MigrationReport {
        while true {
            let frame = try source.receive()
            switch frame.type {
            case .round: rounds.append(try frame.decode(RoundMessage.self).round)
            case .phase, .progress: break
            default: return try frame.decode(Moved.self).report
            }
        }
    }

    /// The destination's last word; its error, or `nil` when it has the guest.
    func verdictOfDestination() throws -> LivemigError? {
        let frame = try destination.receive()
        return frame.type == .failure ? try frame.decode(FailureMessage.self).error : nil
    }

    /// Waits for the destination to have the guest, and ends both connections.
    func close() throws {
        _ = try destination.receive().decode(DoneMessage.self)
        try source.close()
        try destination.close()
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
