public import MigrationModel

/// What a move would do, once every check has passed.
public struct MovePlan: Hashable, Sendable {
    /// The VM as its host describes it.
    public let machine: MachineSummary
    /// Where it is.
    public let source: HostName
    /// Where it goes.
    public let destination: HostName
    /// The epoch at which the destination will own it.
    public let epoch: Epoch
    /// Memory that the destination can still give to guests.
    public let memoryAvailable: ByteCount
    /// How the move behaves.
    public let policy: MigrationPolicy
}

/// One side of a move before it starts.
public struct MoveSide: Sendable {
    /// The host.
    public let host: HostRecord
    /// What it says about itself.
    public let facts: HostFacts
    /// Its VMs.
    public let machines: [MachineSummary]

    /// States a side.
    public init(host: HostRecord, facts: HostFacts, machines: [MachineSummary]) {
        self.host = host
        self.facts = facts
        self.machines = machines
    }
}

extension MovePlan {
    /// Checks everything that can be checked before a host is asked to change anything.
    ///
    /// - Parameters:
    ///   - name: the VM.
    ///   - source: where it is.
    ///   - destination: where it goes.
    ///   - policy: how the move shall behave.
    /// - Throws: `E-SAMEHOST`, `E-NOVM`, `E-BUSY`, `E-NOTRUNNING`, `E-PAUSED`, `E-INTRANSFER`,
    ///   `E-VMSTATE`, `E-DUPVM`, `E-KERNEL` or `E-NOMEM`; each names hosts and says what to do.
    public init(
        moving name: VMName, from source: MoveSide, to destination: MoveSide,
        policy: MigrationPolicy
    ) throws(LivemigError) {
        let places = "\(source.host.name) and \(destination.host.name)"
        guard source.facts.identity != destination.facts.identity else {
            throw LivemigError(
                .sameHost, "source and destination are the same host", at: places,
                fix: "name another host with --to")
        }
        guard let machine = source.machines.first(where: { $0.name == name.text }) else {
            throw LivemigError(.noVM, "no VM \(name)", at: source.host.name.text)
        }
        try Self.checkBusy(machine, source.host.name, destination)
        try Self.checkState(machine, source.host.name, keepPaused: policy.keepPaused)
        try Self.checkDuplicate(machine, destination)
        guard source.facts.canTrack else {
            throw LivemigError(
                .kernel, "written pages cannot be found: \(source.facts.tracking)",
                at: "\(source.host.name), Linux \(source.facts.kernel)",
                fix:
                    "live moves need Linux 6.7 or newer and an agent that runs as root or may open "
                    + "/dev/userfaultfd")
        }
        guard let epoch = machine.epoch.next else {
            throw LivemigError(.internal, "the epochs are used up", at: source.host.name.text)
        }
        let free = destination.facts.memoryAvailable
        guard machine.memory <= free else {
            throw LivemigError(
                .memory, "needs \(machine.memory), free \(free)",
                at: "VM \(name) on \(destination.host.name)",
                fix: "choose another host, or free memory there")
        }
        self.machine = machine
        self.source = source.host.name
        self.destination = destination.host.name
        self.epoch = epoch
        memoryAvailable = free
        self.policy = policy
    }

    /// A move under way shows in the record on either side.
    private static func checkBusy(
        _ machine: MachineSummary, _ host: HostName, _ destination: MoveSide
    ) throws(LivemigError) {
        let isReceiving = destination.machines.contains {
            $0.uuid == machine.uuid && $0.state != .stopped && $0.right.isCopyWaiting
        }
        let isSending = machine.right.isIntent && machine.state != .stopped
        guard isSending || isReceiving else { return }
        let what =
            isReceiving
            ? "another move of it to \(destination.host.name) is under way"
            : "another move of it is under way"
        throw LivemigError(
            .busy, what, at: "VM \(machine.name) on \(host)",
            fix: "wait for its end, or cancel it; livemig status \(machine.name) shows it")
    }

    private static func checkState(
        _ machine: MachineSummary, _ host: HostName, keepPaused: Bool
    ) throws(LivemigError) {
        let place = "VM \(machine.name) on \(host)"
        switch machine.state {
        case .running: return
        case .paused:
            guard keepPaused else {
                throw LivemigError(
                    .paused, "the guest is paused and would stay paused on the destination",
                    at: place, fix: "pass --keep-paused")
            }
        case .stopped:
            throw LivemigError(
                .notRunning, "the guest does not run, so there is nothing to move live", at: place,
                fix: "start it with livemig vm start")
        case .inTransfer:
            throw LivemigError(
                .inTransfer, "an earlier hand-over is unfinished", at: place,
                fix: "livemig status \(machine.name) says where the guest is")
        case .unknown:
            throw LivemigError(
                .vmState, "the host cannot say what the guest does", at: place,
                fix: "see the log of livemig-agent there")
        }
    }

    private static func checkDuplicate(
        _ machine: MachineSummary, _ destination: MoveSide
    ) throws(LivemigError) {
        let twin = destination.machines.first {
            $0.uuid == machine.uuid || $0.name == machine.name
        }
        guard let twin else { return }
        let what =
            twin.uuid == machine.uuid
            ? "the same VM is there already" : "another VM of that name is there already"
        throw LivemigError(
            .duplicateVM, what,
            at: "VM \(twin.name) (\(twin.state.rawValue)) on \(destination.host.name)",
            fix: "livemig vm show \(destination.host.name)/\(twin.name), remove or rename it")
    }
}
