public import MigrationModel

/// Finding the host of a VM among the answers of hosts.
public enum VMSearch {
    /// Decides which host a name means.
    ///
    /// Where several hosts have a VM of the name, the one that has the right to run it is meant,
    /// then the one on which it runs; VMs of different UUIDs are different VMs. A host that does
    /// not answer, or cannot read the VM, matters only when no other may have it.
    /// - Parameters:
    ///   - name: the VM.
    ///   - answers: what the hosts answered.
    /// - Returns: the index of the answer and the VM.
    /// - Throws: `E-NOVM` with at most ten names that are known when all have answered, the error of a
    ///   host that could not be asked and may have the VM, the VM's own error when its host
    ///   cannot read it, the host's own error when only it was asked and did not answer or when it
    ///   cannot read its records, `E-AMBIGUOUS` with the hosts where they have different VMs of the
    ///   name; `E-INTRANSFER` for one VM that is between them, and `E-INTERNAL` for one that two of
    ///   them claim.
    public static func find(
        _ name: VMName, in answers: [HostAnswer<MachineList>]
    ) throws(LivemigError) -> (index: Int, machine: MachineSummary) {
        let found = answers.enumerated().flatMap { index, answer in
            (answer.value?.machines ?? []).filter { $0.name == name.text }.map { (index, $0) }
        }
        let owners = found.filter(\.1.isOwned)
        if owners.count == 1, let only = owners.first { return only }
        if Set(owners.map(\.1.uuid)).count > 1 {
            throw ambiguous(name, owners.map { answers[$0.0].host.name.text })
        }
        if owners.count > 1 {
            let hosts = owners.map { "\(answers[$0.0].host.name) (epoch \($0.1.epoch))" }
            throw unsettled(name, hosts, isClaimed: true)
        }
        // What is left without the right to run hides nobody who may have it.
        if owners.isEmpty, let damage = damage(of: name, in: answers) { throw damage }
        if found.count == 1, let only = found.first { return only }
        let alive = found.filter { $0.1.state.hasGuest }
        if alive.count == 1, let only = alive.first { return only }
        guard found.isEmpty else {
            let hosts = found.map { answers[$0.0].host.name.text }
            let isOne = Set(found.map(\.1.uuid)).count == 1
            throw isOne
                ? unsettled(name, hosts, isClaimed: false) : ambiguous(name, hosts)
        }
        throw missing(name, answers)
    }

    /// Whether a host has the right to run the VM and runs it: hosts that say nothing then change
    /// nothing about what `find` finds.
    static func isFound(_ name: VMName, in answers: [HostAnswer<MachineList>]) -> Bool {
        let owners = answers.flatMap { $0.value?.machines ?? [] }
            .filter { $0.name == name.text && $0.isOwned }
        return owners.count == 1 && owners.first?.state == .running
    }

    private static func ambiguous(_ name: VMName, _ hosts: [String]) -> LivemigError {
        LivemigError(
            .ambiguousVM, "VM \(name) is on \(hosts.joined(separator: " and "))",
            fix: "name the host: \(hosts.first ?? "HOST")/\(name)")
    }

    private static func damage(
        of name: VMName, in answers: [HostAnswer<MachineList>]
    ) -> LivemigError? {
        answers.lazy.compactMap { $0.value?.damaged.error(of: name) }.first
    }

    /// One VM on several hosts: naming one of them could start it twice.
    private static func unsettled(
        _ name: VMName, _ hosts: [String], isClaimed: Bool
    ) -> LivemigError {
        let list = hosts.joined(separator: " and ")
        return isClaimed
            ? LivemigError(
                .internal, "VM \(name) is claimed by \(list) at once",
                fix: "livemig status \(name) says what to do")
            : LivemigError(
                .inTransfer, "VM \(name) is between \(list)", fix: "run livemig recover \(name)")
    }

    private static func missing(
        _ name: VMName, _ answers: [HostAnswer<MachineList>]
    ) -> LivemigError {
        if answers.count == 1, let error = answers.first?.error { return error }
        // A host that cannot read its records may have the VM, and says what is wrong with them.
        let unreadable = answers.compactMap(\.error).first {
            $0.code == .journal || $0.code == .journalCorrupt
        }
        if let unreadable { return unreadable }
        // What cannot be asked may have the VM: that it is nowhere is more than is known.
        if let unasked = unasked(name, answers) { return unasked }
        let names = Set(answers.flatMap { $0.value?.machines ?? [] }.map(\.name)).sorted()
        let known =
            names.isEmpty ? "no VM is defined" : "known: " + names.prefix(10).joined(separator: " ")
        let more = names.count > 10 ? " and \(names.count - 10) more" : ""
        let place = answers.count == 1 ? answers.first.map { " on \($0.host.name)" } ?? "" : ""
        return LivemigError(.noVM, "no VM \(name)\(place)", at: known + more)
    }

    /// The error about a VM that may be on hosts that could not be asked: that of the first.
    private static func unasked(
        _ name: VMName, _ answers: [HostAnswer<MachineList>]
    ) -> LivemigError? {
        let failures = answers.compactMap { answer in answer.error.map { (answer.host.name, $0) } }
        guard var (_, error) = failures.first else { return nil }
        let asked = answers.filter { $0.error == nil }.map(\.host.name.text)
        let others = failures.dropFirst().map { "\($0) (\($1.code.rawValue))" }
        let without = failures.map(\.0.text).joined(separator: " and ")
        let found =
            asked.isEmpty
            ? "no host could be asked for VM \(name)"
            : "VM \(name) is not on \(asked.prefix(10).joined(separator: " or ")), and may be on "
                + without
        error.what += "; \(found)"
        if !others.isEmpty {
            error.what += "; nor could \(others.joined(separator: ", ")) be asked"
        }
        return error
    }
}

extension MachineSummary {
    /// Whether the record of the host that says this gives it the right to run the VM.
    var isOwned: Bool { right.mayRun }
}
