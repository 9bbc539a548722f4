public import MigrationModel

/// The rules that the source alone answers for: what it says of the VM and of itself.
public struct SourceRules: Sendable {
    let machine: MachineSummary
    let source: PreflightSide
    let keepsPaused: Bool

    /// Looks at a host.
    ///
    /// - Parameters:
    ///   - machine: the VM as the host describes it.
    ///   - source: the host.
    ///   - keepsPaused: whether a paused guest may be moved, to stay paused.
    public init(machine: MachineSummary, source: PreflightSide, keepsPaused: Bool) {
        self.machine = machine
        self.source = source
        self.keepsPaused = keepsPaused
    }

    /// All findings, in the order in which an operator would want to know them.
    public var findings: [Finding] {
        [unfinished, busy, state, tracking, epochs, hugePages].compactMap(\.self)
    }

    /// The VM and the host that it is on.
    var place: String { "VM \(machine.name) on \(source.name)" }

    /// A hand-over that was begun, with nobody to say yet who has the guest.
    var unfinished: Finding? {
        guard case .released = machine.right else { return nil }
        return Finding(
            .error(.inTransfer), "an earlier hand-over is unfinished", at: place,
            fix: "run livemig recover \(machine.name)")
    }

    /// A move under way shows in the record.
    var busy: Finding? {
        guard machine.right.isIntent, !machine.state.isOff else { return nil }
        return underWay("another move of it is under way")
    }

    func underWay(_ what: String) -> Finding {
        Finding(
            .error(.busy), what, at: place,
            fix: "wait for its end, or cancel it; livemig status \(machine.name) shows it")
    }

    var state: Finding? {
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
        case .ioError, .failed, .unknown: Finding((machine.complaint ?? silence).at(place))
        }
    }

    private var silence: LivemigError {
        LivemigError(
            .vmState, "the hypervisor does not say what the guest does",
            fix: "see hypervisor.log there, and livemig status \(machine.name)")
    }

    var tracking: Finding? {
        guard !source.facts.canTrack else { return nil }
        return Finding(
            .error(.kernel), "written pages cannot be found: \(source.facts.tracking)",
            at: "\(source.name), Linux \(source.facts.kernel)",
            fix: "live moves need Linux 6.7 or newer and an agent that runs as root or may open "
                + "/dev/userfaultfd")
    }

    /// Written pages are found by the huge page then.
    var hugePages: Finding? {
        let pages = source.facts.hugePages
        guard pages.hold(machine.kind) else { return nil }
        return Finding(
            .warning(.hugePages),
            "the guest's memory may be in huge pages: each page that it writes has 2 MiB looked at",
            at: source.name.text, source: "shmem_enabled \(pages.sharing.rawValue)",
            fix: "where moves take too long: write never to "
                + "/sys/kernel/mm/transparent_hugepage/shmem_enabled there, and start the guest anew"
        )
    }

    var epochs: Finding? {
        guard machine.epoch.next == nil else { return nil }
        return Finding(.error(.internal), "the epochs are used up", at: source.name.text)
    }
}
