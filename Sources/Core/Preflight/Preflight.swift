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
            sameHost, clonedSystem, leaving.unfinished, busy, leaving.state, duplicate,
            leaving.tracking,
            leaving.epochs, memory, architecture, vendor, features, emulatedFeatures,
            hypervisors, agents, leaving.hugePages, clocks, forbidden, apart,
        ]
        return found.compactMap(\.self)
    }

    /// What the source alone answers for.
    private var leaving: SourceRules {
        SourceRules(machine: machine, source: source, keepsPaused: keepsPaused)
    }

    // MARK: The VM

    private var sameHost: Finding? {
        guard source.facts.identity == destination.facts.identity else { return nil }
        guard source.facts.installation == destination.facts.installation else {
            return Finding(
                .error(.sameHost),
                "the roots of both hosts have one identity: one is a copy, or both share a folder",
                at: "\(source.name) and \(destination.name)",
                fix: "give the copy a root of its own: an empty folder, named with --root")
        }
        return Finding(
            .error(.sameHost), "source and destination are the same host",
            at: "\(source.name) and \(destination.name)", fix: "name another host with --to")
    }

    /// Roots tell hosts apart, but DHCP, the journal and others go by the machine-id.
    private var clonedSystem: Finding? {
        let (here, there) = (source.facts.installation, destination.facts.installation)
        guard there.isClone(of: here), sameHost == nil else { return nil }
        return Finding(
            .warning(.identity), "both hosts have one machine-id: one system is a clone",
            at: "\(source.name) and \(destination.name)", source: here.machineID,
            destination: there.machineID,
            fix: "on the clone: remove /etc/machine-id, run systemd-machine-id-setup, and reboot")
    }

    /// A move under way shows in the record on either side.
    private var busy: Finding? {
        let isReceiving = destination.machines.contains {
            $0.uuid == machine.uuid && !$0.state.isOff && $0.right.isCopyWaiting
        }
        guard isReceiving else { return leaving.busy }
        return leaving.underWay("another move of it to \(destination.name) is under way")
    }

    private var duplicate: Finding? {
        // What cannot be read may be the same VM, and may run.
        let damaged = destination.damaged.first {
            $0.name.text == machine.name || $0.uuid == machine.uuid
        }
        if let damaged { return Finding(damaged.complaint.at(destination.name.text)) }
        let twin = destination.machines.first {
            $0.uuid == machine.uuid || $0.name == machine.name
        }
        guard let twin else { return nil }
        let isSame = twin.uuid == machine.uuid && twin.name == machine.name
        // Files of an earlier visit, which the destination replaces.
        if isSame, twin.state == .stopped, twin.right.isDeparted { return nil }
        let what =
            twin.uuid == machine.uuid
            ? "the same VM is there already" : "another VM of that name is there already"
        return Finding(
            .error(.duplicateVM), what,
            at: "VM \(twin.name) (\(twin.state.rawValue)) on \(destination.name)",
            fix: twin.right.isDeparted
                ? "livemig recover \(twin.name) removes what it left there"
                : "livemig vm show \(destination.name)/\(twin.name), and remove it there")
    }

    // MARK: The hosts

    /// Less than this share of its memory free after the move is worth a warning.
    static let tightShare: UInt64 = 20

    private var memory: Finding? {
        let free = destination.facts.memoryAvailable
        let total = destination.facts.memoryTotal
        let pages = destination.facts.hugePages
        let fix = "choose another host, or free memory there\(pages.advice)"
        guard machine.memory <= free else {
            return Finding(
                .error(.memory),
                "needs \(machine.memory), free \(free)\(pages.clause(of: total))",
                at: "VM \(machine.name) on \(destination.name)", fix: fix)
        }
        let left = ByteCount(free.bytes - machine.memory.bytes)
        guard left.bytes < total.bytes / Self.tightShare else { return nil }
        return Finding(
            .warning(.memory),
            "\(destination.name) would have \(left) of \(total) left\(pages.clause(of: total))",
            destination: "\(free) free", fix: fix)
    }
}
