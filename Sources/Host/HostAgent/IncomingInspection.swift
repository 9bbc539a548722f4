import CLinux
import Glibc
import HostPolicies
import LinuxSystem
import MigrationModel
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
        findings += DestinationRules.findings(definition)
        findings.note { () throws(LivemigError) in
            try environment.requireHypervisor(of: definition)
        }
        findings += definition.bootFiles.compactMap(Self.missing)
        findings.note { () throws(LivemigError) in try requireMemory(for: definition) }
        if request.isRunning { findings += definition.disks.compactMap(Self.unfenced) }
        return Inspection(findings, bridges: definition.bridges)
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

    /// What QEMU would end with, and in its words.
    private static func missing(_ file: VMDefinition.BootFile) -> Finding? {
        guard unsafe access(file.path, R_OK) != 0 else { return nil }
        return Finding(
            .error(.destinationQEMU), "could not open \(file.kind) file", at: file.path,
            fix: "both hosts must have it under the same path")
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
    private static func unfenced(_ disk: VMDefinition.Disk) -> Finding? {
        guard !disk.readOnly, let path = target(of: disk.path),
            let file = try? OwnedDescriptor.open(path, O_RDWR),
            clinux_is_locked(file.number, lockStart, lockLength) == 0
        else { return nil }
        return Finding(
            .warning(.fence), "the lock that the guest holds on its image is not seen",
            at: "disk \(disk.target) (\(disk.path.escaped()))", source: "locked",
            destination: "not locked",
            fix: "see that both hosts mount one file system, with locks across hosts")
    }

    /// The image itself, as QEMU follows links.
    private static func target(of path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    private static let lockStart: Int64 = 100
    private static let lockLength: Int64 = 200
}

extension VMDefinition {
    /// A file that the guest boots from, besides its disks.
    fileprivate struct BootFile {
        let kind: String
        let path: String
    }

    fileprivate var bootFiles: [BootFile] {
        [("kernel", boot.kernel), ("initrd", boot.initrd), ("firmware", boot.loader)]
            .compactMap { kind, path in path.map { BootFile(kind: kind, path: $0) } }
    }
}
