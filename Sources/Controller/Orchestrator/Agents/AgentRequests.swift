import FrameTransport
public import MigrationModel
public import WireProtocol

extension AgentConnection {
    /// Asks the host for its facts.
    public func facts() async throws(LivemigError) -> HostFacts {
        try await request(DescribeHost(), for: HostFactsMessage.self).facts
    }

    /// Asks for all VMs of the host.
    public func machines() async throws(LivemigError) -> MachineList {
        var list = try await request(ListMachines(), for: MachineListMessage.self).list
        for index in list.damaged.indices {
            list.damaged[index].error = list.damaged[index].error.named(host.name)
        }
        return list
    }

    /// Asks for one VM with its definition.
    /// - Throws: `E-NOVM` when the host does not have it.
    public func show(_ name: VMName) async throws(LivemigError) -> Machine {
        try await machine(ShowMachine(name: name))
    }

    /// Asks what the host has that only one VM of a fleet may have.
    public func claims(on subject: Claims.Subject) async throws(LivemigError) -> Claims {
        var claims = try await request(FindClaims(subject), for: ClaimsMessage.self).claims
        for index in claims.damaged.indices {
            claims.damaged[index].error = claims.damaged[index].error.named(host.name)
        }
        return claims
    }

    /// Hands a definition over to keep, once the other hosts were asked.
    ///
    /// - Parameters:
    ///   - document: the definition.
    ///   - known: the highest epoch at which they know the VM.
    func define(_ document: String, known: Epoch?) async throws(LivemigError) -> Machine {
        try await machine(DefineMachine(definition: document, isAsked: true, known: known))
    }

    /// Starts a VM; one that is saved is restored.
    ///
    /// - Parameters:
    ///   - name: the VM's name.
    ///   - uuid: the VM that the other hosts were asked for.
    ///   - progress: told how far a restoring is.
    func start(
        _ name: VMName, _ uuid: VMUUID, _ progress: StoringProgress? = nil
    ) async throws(LivemigError) -> Machine {
        try await store(StartMachine(name: name, uuid: uuid), progress)
    }

    /// Saves a VM to a file of the host.
    ///
    /// - Parameter progress: told how far it is.
    public func save(
        _ name: VMName, _ progress: StoringProgress? = nil
    ) async throws(LivemigError) -> Machine {
        try await store(SaveMachine(name: name), progress)
    }

    /// Removes the file of a VM that is saved.
    /// - Throws: `E-VMSTATE` when it is not.
    public func discardSaved(_ name: VMName) async throws(LivemigError) -> Machine {
        try await machine(DiscardSaved(name: name))
    }

    /// Puts a VM's policy in the place of the one that it was made from.
    /// - Throws: `E-BUSY` when somebody else has changed it meanwhile, or moves the VM.
    public func change(
        _ name: VMName, _ base: GuestPolicy, to policy: GuestPolicy
    ) async throws(LivemigError) -> Machine {
        try await machine(ChangeGuestPolicy(name: name, base: base, policy: policy))
    }

    /// Powers a VM off.
    public func stop(_ name: VMName) async throws(LivemigError) -> Machine {
        try await machine(StopMachine(name: name))
    }

    /// Forgets a VM that is stopped, also one whose record is out of date.
    ///
    /// - Parameters:
    ///   - name: the VM.
    ///   - discardsSaved: whether a saved guest is given up.
    /// - Returns: the VM as it was; `nil` where its record was out of date.
    public func remove(
        _ name: VMName, discardsSaved: Bool
    ) async throws(LivemigError) -> Machine? {
        var machine: Machine?
        do throws(LivemigError) {
            machine = try await show(name)
            if discardsSaved { _ = try await discardSaved(name) }
        } catch  where error.code == .staleRecord {
            // The answer shows the VM, which cannot be shown.
            if discardsSaved { _ = try? await discardSaved(name) }
        }
        _ = try await request(RemoveMachine(name: name), for: DoneMessage.self)
        return machine
    }

    /// Asks for the host's policy, and what it comes to now.
    public func settings() async throws(LivemigError) -> HostSettings {
        try await request(ShowPolicy(), for: HostPolicyMessage.self).settings
    }

    /// Puts a policy in the place of the one that it was made from.
    /// - Throws: `E-BUSY` when somebody else has changed it meanwhile.
    public func change(
        _ base: HostPolicy, to policy: HostPolicy
    ) async throws(LivemigError) -> HostSettings {
        try await request(
            ChangePolicy(base: base, policy: policy), for: HostPolicyMessage.self
        ).settings
    }

    /// Told how many bytes of how many are saved or restored.
    public typealias StoringProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void

    /// Sends a request that takes as long as a disk does; only silence is an error.
    private func store(
        _ message: some WireMessage, _ progress: StoringProgress?
    ) async throws(LivemigError) -> Machine {
        send(message)
        do {
            while true {
                let frame = try await receive(within: Self.startLimit)
                guard frame.type == .storing else {
                    let reply = try frame.decode(MachineMessage.self)
                    return Machine(
                        host: host.name, summary: reply.summary, definition: reply.definition)
                }
                let storing = try frame.decode(Storing.self)
                progress?(storing.done, storing.total)
            }
        } catch {
            var error = error.named(host.name)
            if error.guest?.host == "" { error.guest?.host = host.name.text }
            throw error
        }
    }

    /// Has the host look at itself.
    public func examine() async throws(LivemigError) -> [Diagnosis] {
        try await request(ExamineHost(), for: Examination.self, within: Self.startLimit).items
    }

    /// Has the host's hook run before or after a drain of it.
    /// - Throws: `E-HOOK` when it refuses or fails.
    public func runHook(_ stage: RunDrainHook.Stage) async throws(LivemigError) {
        _ = try await request(
            RunDrainHook(stage, of: host.name), for: DoneMessage.self,
            within: Self.requestLimit + HostHook.limit)
    }

    private func machine(
        _ message: some WireMessage, within limit: Duration = AgentConnection.requestLimit
    ) async throws(LivemigError) -> Machine {
        let reply = try await request(message, for: MachineMessage.self, within: limit)
        return Machine(host: host.name, summary: reply.summary, definition: reply.definition)
    }
}

/// A VM as a host knows it.
public struct Machine: Hashable, Sendable {
    /// The host that was asked.
    public var host: HostName
    /// What it says.
    public var summary: MachineSummary
    /// The XML document.
    public var definition: String

    /// States a VM.
    public init(host: HostName, summary: MachineSummary, definition: String) {
        self.host = host
        self.summary = summary
        self.definition = definition
    }
}
