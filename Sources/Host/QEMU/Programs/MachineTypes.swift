public import MigrationModel

/// The machine types of one QEMU, such as `pc-q35-7.2` with its alias `q35`.
///
/// An alias stands for another type in every release, so two hosts must agree on the full name.
public struct MachineTypes: Hashable, Sendable {
    /// The full names.
    public let names: Set<String>
    /// What each alias stands for.
    public let aliases: [String: String]

    /// Reads the output of `-machine help`.
    public init(helpOutput text: String) {
        var names: Set<String> = []
        var aliases: [String: String] = [:]
        for line in text.split(separator: "\n") where line.contains(" ") {
            let words = line.split(separator: " ").map(String.init)
            guard let name = words.first, name != "Supported" else { continue }
            if let index = words.lastIndex(of: "of"), index > 0, words[index - 1] == "(alias",
                index + 1 < words.count
            {
                aliases[name] = String(words[index + 1].prefix { $0 != ")" })
            } else {
                names.insert(name)
            }
        }
        self.names = names
        self.aliases = aliases
    }

    /// The full name of a type or alias; `nil` when this QEMU does not have it.
    public func resolve(_ machine: String) -> String? {
        names.contains(machine) ? machine : aliases[machine]
    }

    /// Insists on a type that this QEMU has.
    /// - Throws: `E-MACHINE` naming type and release.
    public func require(_ machine: String, of version: QEMUVersion) throws(LivemigError) {
        guard resolve(machine) == nil else { return }
        throw LivemigError(
            .machine, "\(version) has no machine type \(machine.escaped())",
            fix: "choose one that both hosts have")
    }
}
