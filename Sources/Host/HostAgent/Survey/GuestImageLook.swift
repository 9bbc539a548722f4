import GuestFiles
import Hypervisor
import MigrationModel

/// What this host sees of a guest's images, and of the program that the guest runs in.
struct GuestImageLook: Sendable {
    /// The images, and those below them.
    private(set) var images: [ImageFacts] = []
    /// Images that are not those which the running guest has open.
    private(set) var findings: [Finding] = []
    /// Whether the hypervisor's program was replaced or removed while it ran.
    let isProgramGone: Bool

    /// Looks where the host's settings let it look; what cannot be opened is left out.
    /// - Parameters:
    ///   - environment: the host.
    ///   - definition: the guest's, which may run.
    init(_ environment: AgentEnvironment, _ definition: VMDefinition) {
        let held = environment.root.machine(definition.name).recordedHypervisor
            .flatMap { HeldFiles(of: $0) }
        isProgramGone = held?.isProgramGone ?? false
        guard let rules = try? environment.root.fileRules() else { return }
        for disk in definition.disks {
            guard let chain = try? rules.open(disk) else { continue }
            images += chain.facts(of: disk)
            if let finding = held?.finding(disk, chain) { findings.append(finding) }
        }
    }

    /// Insists that the guest has open what a start would open.
    /// - Throws: `E-DISK`.
    func requireOwn() throws(LivemigError) {
        if let error = findings.first?.error { throw error }
    }
}
