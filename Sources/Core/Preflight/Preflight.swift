public import MigrationModel

/// The rules that say whether a VM can be moved between two hosts, from what both have said.
///
/// Pure: what only one of the hosts can find out, such as whether it sees a disk, is asked of that
/// host and added to these findings.
public struct Preflight: Sendable {
    let machine: MachineSummary
    let source: PreflightSide
    let destination: PreflightSide
    let keepsPaused: Bool

    /// Compares two hosts.
    ///
    /// - Parameters:
    ///   - machine: the VM as the source describes it.
    ///   - source: where it is.
    ///   - destination: where it would go.
    ///   - keepsPaused: whether a paused guest may be moved, to stay paused.
    public init(
        moving machine: MachineSummary, from source: PreflightSide, to destination: PreflightSide,
        keepsPaused: Bool
    ) {
        self.machine = machine
        self.source = source
        self.destination = destination
        self.keepsPaused = keepsPaused
    }

    /// All findings, in the order in which an operator would want to know them.
    public var findings: [Finding] {
        let found = [
            sameHost, unfinished, busy, state, duplicate, tracking, epochs, memory, architecture,
            vendor,
            features, emulatedFeatures, hypervisors, agents, clocks, forbidden, apart,
        ]
        return found.compactMap(\.self)
    }

    /// The VM and the host that it is on.
    var place: String { "VM \(machine.name) on \(source.name)" }

    // MARK: The VM

    private var sameHost: Finding? {
        guard source.facts.identity == destination.facts.identity else { return nil }
        return Finding(
            .error(.sameHost), "source and destination are the same host",
            at: "\(source.name) and \(destination.name)", fix: "name another host with --to")
    }

    /// A hand-over that was begun, with nobody to say yet who has the guest.
    private var unfinished: Finding? {
        guard case .released = machine.right else { return nil }
        return Finding(
            .error(.inTransfer), "an earlier hand-over is unfinished", at: place,
            fix: "run livemig recover \(machine.name)")
    }

    /// A move under way shows in the record on either side.
    private var busy: Finding? {
        let isReceiving = destination.machines.contains {
            $0.uuid == machine.uuid && !$0.state.isOff && $0.right.isCopyWaiting
        }
        let isSending = machine.right.isIntent && !machine.state.isOff
        guard isSending || isReceiving else { return nil }
        let what =
            isReceiving
            ? "another move of it to \(destination.name) is under way"
            : "another move of it is under way"
        return Finding(
            .error(.busy), what, at: place,
            fix: "wait for its end, or cancel it; livemig status \(machine.name) shows it")
    }

    private var state: Finding? {
        switch machine.state {
        case .running: nil
        case .paused where keepsPaused: nil
        case .paused:
            Finding(
                .error(.paused), "the guest is paused and would stay paused on the destination",
                at: place, fix: "pass --keep-paused")
        case .stopped:
            Finding(
                .error(.notRunning), "the guest does not run, so there is nothing to move live",
                at: place, fix: "start it with livemig vm start")
        case .saved:
            Finding(
                .error(.notRunning), "the guest is saved, so there is nothing to move live",
                at: place, fix: "restore it with livemig vm start, then move it")
        case .inTransfer:
            Finding(
                .error(.inTransfer), "an earlier hand-over is unfinished", at: place,
                fix: "livemig status \(machine.name) says where the guest is")
        case .unknown:
            Finding(
                .error(.vmState),
                "an error has stopped the guest, or its hypervisor does not say what it does",
                at: place,
                fix: "see hypervisor.log there; once the reason is gone, such as a full disk, "
                    + "livemig recover \(machine.name) lets the guest go on")
        }
    }

    private var duplicate: Finding? {
        let twin = destination.machines.first {
            $0.uuid == machine.uuid || $0.name == machine.name
        }
        guard let twin else { return nil }
        let what =
            twin.uuid == machine.uuid
            ? "the same VM is there already" : "another VM of that name is there already"
        return Finding(
            .error(.duplicateVM), what,
            at: "VM \(twin.name) (\(twin.state.rawValue)) on \(destination.name)",
            fix: "livemig vm show \(destination.name)/\(twin.name), remove or rename it")
    }

    private var epochs: Finding? {
        guard machine.epoch.next == nil else { return nil }
        return Finding(.error(.internal), "the epochs are used up", at: source.name.text)
    }

    // MARK: The hosts

    private var tracking: Finding? {
        guard !source.facts.canTrack else { return nil }
        return Finding(
            .error(.kernel), "written pages cannot be found: \(source.facts.tracking)",
            at: "\(source.name), Linux \(source.facts.kernel)",
            fix: "live moves need Linux 6.7 or newer and an agent that runs as root or may open "
                + "/dev/userfaultfd")
    }

    /// Less than this share of its memory free after the move is worth a warning.
    static let tightShare: UInt64 = 20

    private var memory: Finding? {
        let free = destination.facts.memoryAvailable
        guard machine.memory <= free else {
            return Finding(
                .error(.memory), "needs \(machine.memory), free \(free)",
                at: "VM \(machine.name) on \(destination.name)",
                fix: "choose another host, or free memory there")
        }
        let left = ByteCount(free.bytes - machine.memory.bytes)
        let total = destination.facts.memoryTotal
        guard left.bytes < total.bytes / Self.tightShare else { return nil }
        return Finding(
            .warning(.memory), "\(destination.name) would have \(left) of \(total) left",
            destination: "\(free) free", fix: "choose another host, or free memory there")
    }
}
