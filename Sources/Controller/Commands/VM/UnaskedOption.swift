import ArgumentParser
import MigrationModel
import Orchestrator

/// The hosts of which an operator vouches that they do not have a VM.
struct UnaskedOption: ParsableArguments {
    @Option(
        name: .customLong("unasked"),
        help: ArgumentHelp(
            "A host that cannot be asked and does not have the VM for certain; can be repeated.",
            valueName: "host"))
    var hosts: [String] = []

    /// The hosts; one may have left the inventory.
    /// - Throws: `E-HOSTNAME`.
    func names() throws(LivemigError) -> Set<HostName> {
        var names: Set<HostName> = []
        for host in hosts { names.insert(try HostName(host)) }
        return names
    }
}

extension CommandContext {
    /// Tells what should be known of a VM.
    func tell(_ notes: [String]) {
        for note in notes { console.message("note: \(note)") }
    }
}
