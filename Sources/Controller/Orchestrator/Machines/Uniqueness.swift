public import MigrationModel

/// Whether a VM may be defined or started on a host, by what all hosts have that only one VM may
/// have.
///
/// Pure. Claims of the same VM refuse; what two VMs may have in common for a while is told.
public struct Uniqueness: Sendable {
    /// The VM.
    let subject: Claims.Subject
    /// Where it is to be.
    let host: HostName
    /// What the hosts said.
    let answers: [HostAnswer<Claims>]
    /// Hosts of which the operator vouches that they do not have the VM.
    let unasked: Set<HostName>

    /// States a question.
    public init(
        _ subject: Claims.Subject, on host: HostName, _ answers: [HostAnswer<Claims>],
        unasked: Set<HostName>
    ) {
        self.subject = subject
        self.host = host
        self.answers = answers
        self.unasked = unasked
    }

    /// The highest epoch at which any host knows the VM.
    public var known: Epoch? { asked.compactMap { $0.claims.epoch(of: subject.uuid) }.max() }

    private var asked: [(host: HostName, claims: Claims)] {
        answers.compactMap { answer in answer.value.map { (answer.host.name, $0) } }
    }

    private var others: [(host: HostName, claims: Claims)] { asked.filter { $0.host != host } }

    // MARK: Defining

    /// Decides whether the VM may be defined.
    /// - Returns: what should be known before.
    /// - Throws: `E-DUPVM` and `E-INTRANSFER` with the host that has the VM or one of its addresses,
    ///   `E-UNASKED` with a host that cannot be asked, and the error of a VM that a host cannot
    ///   read.
    public func define() throws(LivemigError) -> [String] {
        for (place, claims) in asked {
            for machine in claims.machines {
                if let error = obstacle(machine, on: place) { throw error }
            }
        }
        try requireAnswers()
        try requireHeir()
        return asked.flatMap { place, claims in
            claims.machines.filter { $0.uuid != subject.uuid }.flatMap { machine in
                notes(machine, on: place)
            }
        }
    }

    /// The host itself looks at its own VM of the UUID.
    private func obstacle(_ machine: Claims.Machine, on place: HostName) -> LivemigError? {
        guard machine.uuid == subject.uuid else {
            guard let mac = machine.macs.first else { return nil }
            return LivemigError(
                .duplicateVM, "VM \(machine.name) on \(place) has the MAC address \(mac)",
                fix: "give the new VM another one")
        }
        guard place != host else { return nil }
        guard !machine.isDefined else {
            return LivemigError(
                .duplicateVM,
                "VM \(machine.name) on \(place) is the same one: both have UUID \(subject.uuid)",
                fix: "livemig vm show \(place)/\(machine.name); another VM needs another UUID")
        }
        switch machine.right {
        case .none, .gone, .aborted: return nil
        default:
            return LivemigError(
                .inTransfer, "\(place)'s record of VM \(machine.name) says \(machine.right.word)",
                fix: "livemig status \(machine.name) says where it is")
        }
    }

    /// The host that has the VM by the latest record must be among those that were asked.
    private func requireHeir() throws(LivemigError) {
        let given = asked.flatMap { $0.claims.machines }
            .filter { $0.uuid == subject.uuid && !$0.peer.isEmpty }
            .max { $0.right.epoch < $1.right.epoch }
        guard let given, case .gone = given.right, given.right.epoch == known else { return }
        let heir = given.peer
        guard !asked.contains(where: { $0.host.text == heir }),
            !unasked.contains(where: { $0.text == heir })
        else { return }
        throw LivemigError(
            .unasked, "VM \(given.name) was moved to \(heir), which is not in the inventory",
            fix: "add that host, or pass --unasked \(heir) if it does not have the VM any more")
    }

    private func notes(_ machine: Claims.Machine, on place: HostName) -> [String] {
        var notes: [String] = []
        if machine.name == subject.name, place != host {
            notes.append(
                "\(place) has another VM of that name: say \(host)/\(subject.name) and "
                    + "\(place)/\(subject.name)")
        }
        if let image = machine.images.first {
            notes.append(
                "VM \(machine.name) on \(place) writes \(image) too: the two must never run at once "
                    + "if that is one file")
        }
        return notes
    }

    // MARK: Starting

    /// Decides whether a VM that the host may run by its record may be started.
    ///
    /// - Parameter epoch: the record's.
    /// - Returns: what should be known before.
    /// - Throws: as `define`; `E-INTERNAL` when two hosts claim the VM at the same epoch, `E-STALE`
    ///   when another host has had it later.
    public func start(at epoch: Epoch) throws(LivemigError) -> [String] {
        var notes: [String] = []
        for (place, claims) in others {
            for machine in claims.machines {
                if let error = obstacle(to: epoch, machine, on: place) { throw error }
                notes += notesOfStart(machine, on: place)
            }
            if let error = obstacle(to: epoch, claims.remembered, on: place) { throw error }
        }
        try requireAnswers()
        return notes
    }

    private func obstacle(
        to epoch: Epoch, _ machine: Claims.Machine, on place: HostName
    ) -> LivemigError? {
        let theirs = machine.right.epoch
        guard machine.uuid == subject.uuid else {
            guard let mac = machine.macs.first, !machine.state.isOff else { return nil }
            return LivemigError(
                .duplicateVM,
                "VM \(machine.name) runs on \(place) with the MAC address \(mac) of this one",
                fix: "stop it, or give one of them another address")
        }
        switch machine.right {
        case .owner, .intent:
            if !machine.state.isOff {
                return LivemigError(
                    .duplicateVM,
                    "VM \(machine.name) is \(machine.state.rawValue) on \(place) (epoch \(theirs))",
                    fix: "livemig status \(machine.name)")
            }
            if theirs == epoch { return claimedTwice(place, epoch) }
            return theirs > epoch ? outOfDate(place, machine.right, epoch) : nil
        case .released, .ready:
            guard theirs > epoch else { return nil }
            return LivemigError(
                .inTransfer,
                "\(place)'s record of VM \(machine.name) says \(machine.right.word), epoch \(theirs)",
                fix: "run livemig recover \(machine.name)")
        case .gone: return theirs > epoch ? outOfDate(place, machine.right, epoch) : nil
        case .none, .armed, .aborted: return nil
        }
    }

    private func obstacle(
        to epoch: Epoch, _ remembered: Right?, on place: HostName
    ) -> LivemigError? {
        switch remembered {
        case .owner, .intent, .released, .gone:
            guard let remembered, remembered.epoch > epoch else { return nil }
            return outOfDate(place, remembered, epoch)
        default: return nil
        }
    }

    private func claimedTwice(_ place: HostName, _ epoch: Epoch) -> LivemigError {
        LivemigError(
            .internal,
            "VM \(subject.name) is claimed by \(host) and \(place) at once (epoch \(epoch))",
            fix: "livemig status \(subject.name) says what to do")
    }

    private func outOfDate(_ place: HostName, _ right: Right, _ epoch: Epoch) -> LivemigError {
        let what = right.mayRun ? "has it" : "has had it"
        return LivemigError(
            .staleRecord,
            "\(host)'s record of VM \(subject.name) is out of date (epoch \(epoch)): \(place) \(what) "
                + "by a later one (\(right.word), epoch \(right.epoch))",
            fix: "livemig status \(subject.name) says which host has it; where none has, keep the "
                + "definition, livemig vm remove \(host)/\(subject.name), and define it again")
    }

    private func notesOfStart(_ machine: Claims.Machine, on place: HostName) -> [String] {
        if machine.uuid == subject.uuid, machine.right.mayRun {
            return [
                "\(place) claims VM \(subject.name) too, by an older record "
                    + "(epoch \(machine.right.epoch))"
            ]
        }
        guard let mac = machine.macs.first, machine.uuid != subject.uuid else { return [] }
        return ["VM \(machine.name) on \(place) has the MAC address \(mac) too"]
    }

    // MARK: Hosts that cannot be asked

    /// Insists on an answer of every host that the operator does not vouch for.
    private func requireAnswers() throws(LivemigError) {
        for answer in answers where !unasked.contains(answer.host.name) {
            if let error = answer.error {
                throw LivemigError(
                    .unasked,
                    "\(answer.host.name) cannot be asked whether it has VM \(subject.name): "
                        + "\(error.code.rawValue) \(error.what)",
                    fix: "bring it back, or pass --unasked \(answer.host.name) if it does not have "
                        + "the VM for certain")
            }
            // What such a host remembers has been looked at.
            let damage = answer.value?.damaged.first {
                $0.error.code != .staleRecord || host == answer.host.name
            }
            if let damage { throw damage.error }
        }
    }
}
