public import MigrationModel

/// What was found on a host on which no guest runs, so that it may be powered off.
public struct EmptyHost: Hashable, Sendable {
    /// The host.
    public let host: HostName
    /// VMs that are defined there and do not run; they stay.
    public let stopped: [String]
    /// VMs that are saved there; they stay.
    public let saved: [String]
    /// How many guests are remembered for the way back.
    public let remembered: Int
}

extension HostControl {
    /// Looks whether a host is empty and stays so: no guest runs or is paused there, none is
    /// between two hosts, no move is under way, no guest may come, and every VM can be read.
    /// - Throws: `E-NOTEMPTY` with what is there, and the host's own error when it does not answer.
    public func requireEmpty(_ name: HostName) async throws(LivemigError) -> EmptyHost {
        let (settings, list) = try await talk(to: try directory.host(name)) {
            agent async throws(LivemigError) in
            // In this order: a guest that comes before the host is closed is seen by the second.
            let settings = try await agent.settings()
            return (settings, try await agent.machines())
        }
        let here = list.machines.filter { !$0.right.isDeparted }
        try Self.requireNoGuests(here, list.damaged, on: name)
        guard settings.outgoing == 0, settings.incoming == 0 else {
            throw LivemigError(
                .notEmpty, "moves from or to \(name) are under way", at: name.text,
                fix: "wait for their end, then drain again")
        }
        guard settings.policy.maintenance.isCordoned else {
            throw LivemigError(
                .notEmpty, "\(name) takes guests: somebody has resumed it meanwhile",
                at: name.text, fix: "drain it again")
        }
        return EmptyHost(
            host: name, stopped: here.filter { $0.state == .stopped }.map(\.name).sorted(),
            saved: here.filter { $0.state == .saved }.map(\.name).sorted(),
            remembered: settings.policy.maintenance.guests.count)
    }

    /// Nobody knows whether a VM that cannot be read runs.
    static func requireNoGuests(
        _ machines: [MachineSummary], _ damaged: [DamagedMachine], on name: HostName
    ) throws(LivemigError) {
        let busy = machines.filter { !$0.state.isOff || !$0.right.mayRun }
        guard !busy.isEmpty || !damaged.isEmpty else { return }
        let names =
            busy.map { "\($0.name) is \($0.state.rawValue)" }
            + damaged.map { "\($0.name) cannot be read (\($0.error.code.rawValue))" }
        let fix =
            damaged.isEmpty
            ? "move or stop what is there, then drain again"
            : "see on the host whether what cannot be read runs; livemig vm list \(name) says what "
                + "is wrong with it"
        throw LivemigError(
            .notEmpty, "\(name) is not empty: \(names.joined(separator: ", "))", at: name.text,
            fix: fix)
    }
}
