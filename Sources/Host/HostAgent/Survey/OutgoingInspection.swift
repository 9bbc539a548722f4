import Guardian
import Hypervisor
import LinuxSystem
import MigrationModel
import WireProtocol

/// What this host, as a source, can say against a move in advance; changes nothing.
struct OutgoingInspection: Sendable {
    let environment: AgentEnvironment
    let request: InspectOutgoing

    /// Looks at everything, and gathers what it finds.
    /// - Throws: `E-NOVM` when the VM is not here; the hypervisor's error when it does not answer.
    func run() throws(LivemigError) -> Inspection {
        let definition = try MachineStore(root: environment.root).definition(of: request.name)
        var findings: [Finding] = []
        findings.note { () throws(LivemigError) in try MoveRules.check(definition) }
        if request.path == .direct { findings += trust() }
        findings.note { () throws(LivemigError) in try HostSpace(root: environment.root).require() }
        findings += HookProgram.moveFindings(in: environment.root)
        findings += try blockers().map { reason in
            Finding(
                .error(.device), "the hypervisor refuses to save the guest: \(reason.escaped())",
                at: "VM \(request.name)", fix: "remove the device from the guest")
        }
        let look = GuestImageLook(environment, definition)
        if look.isProgramGone, definition.kind != .synthetic {
            findings.append(
                Finding(
                    .warning(.version),
                    "QEMU was updated or removed since the guest started: the guest still runs in the "
                        + "old one, with which the destination is not compared",
                    at: "VM \(request.name)",
                    fix: "move it to a host with the release that it was started with, or start it "
                        + "again when it may be shut down"))
        }
        return Inspection(
            findings + look.findings, images: look.images, bridges: definition.bridges)
    }

    /// Whether this host can log in to the peer, and the peer here once it has the guest.
    private func trust() -> [Finding] {
        let keys = PeerKeys(root: environment.root)
        var findings: [Finding] = []
        findings.note { () throws(LivemigError) in try keys.requireKey(for: request.peer) }
        var isWayBackOpen = true
        findings.note { () throws(LivemigError) in
            isWayBackOpen = try keys.accepts(request.peer, file: request.keys)
        }
        guard !isWayBackOpen else { return findings }
        let closed = Finding(
            .warning(.trust), "the guest could not be moved back",
            source: "does not accept the key of \(request.peer)",
            fix: "run livemig host trust for the two hosts")
        return findings + [closed]
    }

    /// The hypervisor's own reasons; none for a guest that does not run.
    private func blockers() throws(LivemigError) -> [String] {
        let socket = environment.root.machine(request.name).guardianSocket
        do throws(LivemigError) {
            let guardian = try GuardianClient(connecting: socket)
            return try guardian.request(GuardianInspect(), for: GuardianInspection.self).blockers
        } catch  where error.code == .notRunning {
            return []
        }
    }
}
