/// Bridges that guests have on one host, and what takes their place on the other.
public struct NetworkMap: Hashable, Sendable {
    /// A bridge and what takes its place.
    public struct Entry: Hashable, Sendable {
        /// The bridge's name in the definition that comes.
        public let old: String
        /// The bridge's name on the destination.
        public let new: String

        /// Names both.
        /// - Throws: `E-USAGE` for what is no interface's name.
        public init(_ old: String, _ new: String) throws(LivemigError) {
            for name in [old, new] where !Self.isName(name) {
                throw LivemigError(
                    .usage, "\(name.escaped()) is not the name of a bridge",
                    fix: "write 1 to \(NetworkMap.nameLimit) of A-Z a-z 0-9 . _ -")
            }
            self.old = old
            self.new = new
        }

        /// Names of interfaces are at most 15 bytes long (linux/if.h, `IFNAMSIZ`).
        private static func isName(_ text: String) -> Bool {
            text.isPlainName(limit: NetworkMap.nameLimit)
        }
    }

    /// The longest name of a bridge, in bytes.
    public static let nameLimit = 15
    /// The most bridges that are replaced: more than a guest can have interfaces.
    public static let limit = 64

    /// The bridges, each once.
    public let entries: [Entry]

    /// Replaces nothing.
    public init() { entries = [] }

    /// States what is replaced.
    /// - Throws: `E-USAGE` for a bridge that is replaced twice, `E-RANGE` for too many.
    public init(_ entries: [Entry]) throws(LivemigError) {
        guard entries.count <= Self.limit else {
            throw LivemigError(.range, "\(entries.count) bridges are more than \(Self.limit)")
        }
        var seen: Set<String> = []
        for entry in entries where !seen.insert(entry.old).inserted {
            throw LivemigError(
                .usage, "bridge \(entry.old) is replaced twice",
                fix: "say once what takes its place")
        }
        self.entries = entries
    }

    /// Whether nothing is replaced.
    public var isEmpty: Bool { entries.isEmpty }

    /// A definition as the destination shall have it.
    ///
    /// Every interface is looked at once, so that two bridges can change places.
    public func applied(to definition: VMDefinition) -> VMDefinition {
        var copy = definition
        copy.interfaces = definition.interfaces.map { interface in
            guard case .bridge(let bridge) = interface.attachment,
                let entry = entries.first(where: { $0.old == bridge })
            else { return interface }
            return VMDefinition.Interface(attachment: .bridge(entry.new), mac: interface.mac)
        }
        return copy
    }

    /// The bridges that are to be replaced and that no interface of a definition uses, sorted.
    public func unused(in definition: VMDefinition) -> [String] {
        let used = Set(
            definition.interfaces.compactMap { interface -> String? in
                if case .bridge(let bridge) = interface.attachment { bridge } else { nil }
            })
        return entries.map(\.old).filter { !used.contains($0) }.sorted()
    }
}

extension NetworkMap: CustomStringConvertible {
    /// Such as `br0 → br7, br1 → br8`.
    public var description: String {
        entries.map { "\($0.old) → \($0.new)" }.joined(separator: ", ")
    }
}
