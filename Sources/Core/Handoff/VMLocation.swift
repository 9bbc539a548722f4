public import MigrationModel
import Ownership

/// Where a VM is, decided from what every host's record says of it.
public struct VMLocation: Hashable, Sendable {
    /// What one host says.
    public enum View: Hashable, Sendable {
        /// Its record, and what the guest does there.
        case record(OwnershipRecord, GuestLocation.State)
        /// The host never had the VM.
        case absent
        /// The host cannot be asked.
        case silent(LivemigError)
    }

    /// A host and what it says.
    public struct Entry: Hashable, Sendable {
        /// The host.
        public let host: HostName
        /// What it says.
        public let view: View
        /// The VM as it is defined there; `nil` where it is not.
        public let machine: MachineSummary?

        /// States an entry.
        public init(host: HostName, view: View, machine: MachineSummary? = nil) {
            self.host = host
            self.view = view
            self.machine = machine
        }

        /// States what a host says of a VM that it has.
        public init(host: HostName, machine: MachineSummary) {
            let record = OwnershipRecord(
                uuid: machine.uuid, right: machine.right, peer: "", time: 0)
            self.init(host: host, view: .record(record, machine.state), machine: machine)
        }
    }

    /// The VM's name.
    public let vm: String
    /// The VM; `nil` where no host has a record of it.
    public let uuid: VMUUID?
    /// Which hosts it is about, and who may run the VM.
    public let pair: HandoffPair
    /// What each host says, in the inventory's order.
    public let entries: [Entry]

    /// Decides, from what hosts say of one VM.
    public init(of vm: String, _ entries: [Entry]) {
        self.vm = vm
        uuid = entries.lazy.compactMap(\.uuid).first
        self.entries = entries
        pair = HandoffPair(entries)
    }

    /// Where the guest is, as far as the records tell.
    public var guest: GuestLocation { text.guest }

    /// The verdict in words, without the VM's name.
    public var sentence: String { text.sentence }

    /// Why the records allow no answer; `nil` where they do.
    public var trouble: LivemigError? { text.trouble }

    private var text: VerdictText { VerdictText(vm: vm, entries: entries, pair: pair) }

    /// Tells VMs of one name apart: what hosts say of each.
    ///
    /// What is left of a VM that has gone for good stands in no other's way.
    public static func apart(_ vm: String, _ entries: [Entry]) -> [VMLocation] {
        var uuids: [VMUUID] = []
        for uuid in entries.compactMap(\.uuid) where !uuids.contains(uuid) { uuids.append(uuid) }
        guard uuids.count > 1 else { return [VMLocation(of: vm, entries)] }
        let all = uuids.map { uuid in
            VMLocation(
                of: vm,
                entries.map { entry in
                    guard let other = entry.uuid, other != uuid else { return entry }
                    return Entry(host: entry.host, view: .absent)
                })
        }
        let there = all.filter { !$0.hasGone }
        return there.isEmpty ? [all[0]] : there
    }

    /// Whether nothing but records of a VM is left, and no host is known that may have it.
    private var hasGone: Bool {
        switch pair.verdict {
        case .nowhere: true
        case .sourceMustNotRun:
            pair.source?.view?.right.isDeparted == true && pair.destination?.host == nil
        default: false
        }
    }

    /// The summary of the host that holds the VM, else of any that knows it.
    public var summary: MachineSummary? {
        (entries.first { $0.host.text == guest.host && $0.machine != nil }
            ?? entries.first { $0.machine != nil })?.machine
    }
}

extension VMLocation.Entry {
    /// The VM that the host has a record of.
    public var uuid: VMUUID? {
        guard case .record(let record, _) = view, record.right != .none || machine != nil else {
            return nil
        }
        return record.uuid
    }
}
