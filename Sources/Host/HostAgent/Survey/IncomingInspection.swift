import CLinux
import Glibc
import GuestFiles
import HostPolicies
import LinuxSystem
import MigrationModel
import Preflight
import VMDefinitions
import WireProtocol

/// What this host, as a destination, can say against a move in advance; changes nothing.
struct IncomingInspection: Sendable {
    let environment: AgentEnvironment
    let request: InspectIncoming

    /// Looks at everything, and gathers what it finds.
    /// - Throws: as `VMDefinitionDocument.decode` for a definition that this host cannot read.
    func run() throws(LivemigError) -> Inspection {
        let sent = try VMDefinitionDocument.decode(
            bytes: Array(request.definition.utf8), name: "definition of \(request.source)",
            generatedUUID: .random())
        let definition = request.networks.applied(to: sent)
        var findings = request.usesAllNetworks ? unused(in: sent) : []
        findings.note { () throws(LivemigError) in try MoveRules.check(definition) }
        findings.note { () throws(LivemigError) in try requireTrust() }
        let look = look(at: definition)
        findings += look.findings
        findings.note { () throws(LivemigError) in try requireMemory(for: definition) }
        findings.note { () throws(LivemigError) in try HostSpace(root: environment.root).require() }
        findings += HookProgram.moveFindings(in: environment.root)
        return Inspection(findings, images: look.images, bridges: definition.bridges)
    }

    /// Opens the guest's files as they would be for QEMU, and says what is wrong with them.
    ///
    /// A policy that cannot be read is an error of its own, when the settings are asked for; without
    /// it nothing is opened.
    private func look(
        at definition: VMDefinition
    ) -> (findings: [Finding], images: [ImageFacts]) {
        guard (try? environment.root.policy.load()) != nil else { return ([], []) }
        var (errors, warnings): ([Finding], [Finding]) = ([], [])
        var images: [ImageFacts] = []
        do throws(LivemigError) {
            errors = DestinationRules.findings(definition, try environment.root.fileRules()) {
                disk, chain in
                if request.isRunning, let finding = Self.unfenced(disk, chain) {
                    warnings.append(finding)
                }
                let facts = chain.facts(of: disk)
                images += facts
                if let top = facts.first, let finding = Self.growth(disk, chain, top) {
                    warnings.append(finding)
                }
            }
            try environment.requireHypervisor(of: definition)
        } catch {
            // An emulator that is not allowed has been found already.
            let finding = Finding(error)
            if !errors.contains(finding) { errors.append(finding) }
        }
        return (errors + warnings, images)
    }

    /// An image that is to grow, on a file system that is full.
    private static func growth(
        _ disk: VMDefinition.Disk, _ chain: ImageChain, _ facts: ImageFacts
    ) -> Finding? {
        var system = statvfs()
        guard !disk.readOnly, let image = chain.members.first,
            unsafe fstatvfs(image.file.descriptor.number, &system) == 0
        else { return nil }
        return ImageRules.growth(
            of: facts, allocated: ByteCount(image.allocated), free: HostSpace.free(system))
    }

    /// A bridge that is to be replaced and is none of the VM's is a mistake in writing.
    private func unused(in definition: VMDefinition) -> [Finding] {
        request.networks.unused(in: definition).map { bridge in
            Finding(
                .error(.network), "VM \(definition.name) has no interface on bridge \(bridge)",
                fix: "see livemig vm show \(definition.name), and correct --map-network")
        }
    }

    /// The source's agent must be able to open lanes to this host.
    private func requireTrust() throws(LivemigError) {
        guard request.path == .direct,
            try !PeerKeys(root: environment.root).accepts(request.source, file: request.keys)
        else { return }
        throw LivemigError(
            .authentication, "the key of \(request.source) is not accepted here",
            fix: "run livemig host trust for the two hosts")
    }

    /// There must be room beside the reserve and the guests on their way here; a policy that cannot
    /// be read is an error of its own, when the settings are asked for.
    private func requireMemory(for definition: VMDefinition) throws(LivemigError) {
        guard let policy = try? environment.root.policy.load() else { return }
        try MemoryAdmission(root: environment.root, policy: policy)
            .check(definition, beside: try MoveSlots(root: environment.root).guests(.incoming))
    }

    /// A disk that the running guest has locked, and whose lock is not seen here.
    ///
    /// QEMU locks bytes from 100 on of an image that it may write to (block/file-posix.c). A host
    /// that does not see the lock is not kept from writing beside the guest by its own QEMU; or it
    /// sees another file.
    private static func unfenced(_ disk: VMDefinition.Disk, _ chain: ImageChain) -> Finding? {
        guard !disk.readOnly, let image = chain.members.first,
            clinux_is_locked(image.file.descriptor.number, lockStart, lockLength) == 0
        else { return nil }
        return Finding(
            .warning(.fence), "the lock that the guest holds on its image is not seen",
            at: "disk \(disk.target) (\(disk.path.escaped()))", source: "locked",
            destination: "not locked",
            fix: "see that both hosts mount one file system, with locks across hosts")
    }

    private static let lockStart: Int64 = 100
    private static let lockLength: Int64 = 200
}
