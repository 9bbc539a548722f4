import CrashPoints
import FrameTransport
import Glibc
import Guardian
import GuestFiles
import GuestMemory
import HostPolicies
import Hypervisor
import Journal
import LinuxSystem
import MigrationEngine
import MigrationModel
import Ownership
import PageCodec
import QEMU
import VMDefinitions
import WireProtocol

/// One move, seen from the destination: makes room, places pages, loads the device state, and runs
/// the guest when the token has come.
///
/// Runs on a thread of its own.
struct DestinationRole: Sendable {
    let environment: AgentEnvironment
    let request: PrepareIncoming
    let events: FrameSink
    let control: IncomingControl
    let hooks: MoveHooks

    /// Receives the VM.
    /// - Throws: what went wrong; the copy is gone then, unless it may be the only good one.
    func run() throws(LivemigError) {
        CrashPoint.reach(.destinationAsked)
        let policy = try environment.root.policy.load()
        try policy.admit(peer: request.source, at: environment.root.path)
        let definition = request.networks.applied(
            to: try VMDefinitionDocument.decode(
                bytes: Array(request.definition.utf8), name: "definition of \(request.source)",
                generatedUUID: VMUUID(request.attempt.migration.bits)))
        let slot = try admit(definition, by: policy)
        defer { slot.end() }
        let folder = environment.root.machine(definition.name)
        try runHook(definition, record: folder.record)
        try MachineStore(root: environment.root).admit(definition)
        CrashPoint.reach(.destinationAdmitted)
        var isGuarded = false
        do throws(LivemigError) {
            let listener = try LaneListener(
                root: environment.root, migration: request.attempt.migration)
            CrashPoint.reach(.destinationListening)
            let network = DestinationNetwork(definition, request.attempt, events)
            let guardian = try GuardianStarter(environment: environment).start(
                definition.name, incoming: request.attempt, from: request.source)
            isGuarded = true
            let image = try image(of: definition, guardian)
            CrashPoint.reach(.destinationArmed)
            try events.send(Prepared())
            CrashPoint.reach(.destinationPrepared)
            let session = DestinationSession(
                attempt: request.attempt, uuid: definition.uuid, image: image,
                place: request.source, sourceKeys: request.sourceKeys, network: network)
            defer { session.close() }
            try session.gather(listener, guardian, control)
            let takeover = Takeover(
                attempt: request.attempt, place: request.source, folder: folder)
            try takeover.run(session, guardian)
        } catch {
            removeLeftovers(folder, isGuarded: isGuarded)
            throw Self.onDestination(error)
        }
    }

    /// Makes room: a place among the moves under way, memory, and space for what is written.
    /// - Returns: the place, which the move gives back.
    private func admit(
        _ definition: VMDefinition, by policy: HostPolicy
    ) throws(LivemigError) -> MoveSlot {
        let root = environment.root
        try MoveRules.check(definition)
        let (slot, others) = try MoveSlots(root: root).take(
            .incoming, limit: policy.liveMoves,
            for: MoveSlots.Guest(definition.name, memory: definition.memory))
        do throws(LivemigError) {
            guard !others.contains(where: { $0.name == definition.name }) else {
                throw LivemigError(
                    .busy, "another move of VM \(definition.name) to this host is under way",
                    at: root.path, fix: "wait for its end")
            }
            // Read again now that the slot is taken: whoever closes the host looks at slots next.
            try root.policy.load().maintenance.admit(at: root.path)
            let turn = try MemoryAdmission.takeTurn(root)
            defer { turn.end() }
            try MemoryAdmission(root: root, policy: policy).check(definition, beside: others)
            turn.end()
            try HostSpace(root: root).require()
            try DestinationRules.check(definition, try root.fileRules())
        } catch {
            slot.end()
            throw error
        }
        return slot
    }

    /// Guest RAM of the copy, as its guardian has made it once the record says so.
    private func image(
        of definition: VMDefinition, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) -> DestinationImage {
        var armed = try guardian.receive()
        _ = try armed.decode(GuardianState.self)
        guard let descriptor = armed.takeDescriptor() else {
            throw LivemigError(.internal, "the guardian sent no guest memory")
        }
        let memory = try GuestMemoryFile(adopting: descriptor, expecting: definition.memory)
        return try DestinationImage(
            memory, key: PageHashKey(secret: request.secret.exposed))
    }

    /// Runs the hook before anything is kept; not for an epoch that is used up, which the guardian
    /// refuses.
    private func runHook(
        _ definition: VMDefinition, record: String
    ) throws(LivemigError) {
        let epoch = (try? Journal.peek(record)?.right.epoch) ?? Epoch(0)
        guard epoch < request.attempt.epoch else { return }
        try hooks.before(
            definition, request.attempt, as: .destination, peer: request.source,
            while: { control.isWanted })
    }

    /// A hypervisor that does not start here is a failure of the move: the source has begun it.
    private static func onDestination(_ error: LivemigError) -> LivemigError {
        DestinationRules.onDestination(error)
    }

    /// A folder without a guardian that ever had the VM holds nothing of worth.
    ///
    /// The record of a VM that was here before stays. A guardian that was started tidies up itself.
    private func removeLeftovers(_ folder: MachineFolder, isGuarded: Bool) {
        let store = MachineStore(root: environment.root)
        guard let right = try? Journal.peek(folder.record)?.right ?? Right.none else { return }
        if right == .none {
            try? store.removeFiles(of: folder)
        } else if right.isDeparted, !isGuarded {
            folder.removeFilesOfDepartedGuest()
        }
    }
}

/// What a destination must have for a VM to run there.
enum DestinationRules {
    /// - Throws: `E-DISK` for an image that is not there, `E-FORBIDDEN` for a file that guests may
    ///   not have, `E-DSTQEMU` for one to boot from that cannot be read, `E-NET` for a bridge that is none
    ///   or is full.
    static func check(
        _ definition: VMDefinition, _ rules: GuestFileRules
    ) throws(LivemigError) {
        if let error = findings(definition, rules).lazy.compactMap(\.error).first { throw error }
    }

    /// Here a hypervisor's error is one of the destination.
    static func onDestination(_ error: LivemigError) -> LivemigError {
        guard error.code == .qemu else { return error }
        return LivemigError(
            .destinationQEMU, error.what, at: error.place, fix: error.fix, guest: error.guest)
    }

    /// Everything that is missing.
    static func findings(
        _ definition: VMDefinition, _ rules: GuestFileRules,
        _ chain: (VMDefinition.Disk, ImageChain) -> Void = { _, _ in }
    ) -> [Finding] {
        rules.errors(of: definition, chain).map { Finding(onDestination($0)) }
            + definition.bridgeNames.compactMap { bridge in
                do throws(LivemigError) {
                    try HostBridge(bridge).requireRoom()
                    return nil
                } catch {
                    return Finding(error)
                }
            }
    }
}

extension VMDefinition {
    /// The bridges of its interfaces, in their order, for those that are on one.
    fileprivate var bridgeNames: [String] {
        interfaces.compactMap { interface in
            if case .bridge(let name) = interface.attachment { name } else { nil }
        }
    }

    /// The same as they are on this host; `nil` for one that is not there.
    var bridges: [BridgeFacts?] { bridgeNames.map { HostBridge($0).facts } }
}
