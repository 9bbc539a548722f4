/// Where the inventory is.
public enum InventorySearch {
    /// A place and whether a file is there.
    public struct Found: Hashable, Sendable {
        /// The path.
        public let path: String
        /// Whether a file is there; when not, this is where a new one is written.
        public let exists: Bool
    }

    /// The place for all users of a machine.
    public static let systemPath = "/etc/livemig/hosts.xml"

    /// Decides which file is the inventory.
    ///
    /// A place that somebody named, by `--inventory` or `$LIVEMIG_INVENTORY`, is the place, there
    /// or not: another inventory in its stead would be other hosts. Otherwise the first that exists
    /// of `$XDG_CONFIG_HOME/livemig/hosts.xml` and `/etc/livemig/hosts.xml`, and the first of them
    /// when neither does. As the XDG Base Directory Specification has it, an empty or relative
    /// `$XDG_CONFIG_HOME` counts as unset and stands for `$HOME/.config`.
    /// - Parameters:
    ///   - option: the value of `--inventory`.
    ///   - environment: the environment variables.
    ///   - exists: whether a file is at a path.
    public static func find(
        option: String?, environment: [String: String], exists: (String) -> Bool
    ) -> Found {
        let named = option ?? nonEmpty(environment["LIVEMIG_INVENTORY"])
        if let named { return Found(path: named, exists: exists(named)) }
        let defaults = defaults(environment)
        if let path = defaults.first(where: exists) { return Found(path: path, exists: true) }
        return Found(path: defaults.first ?? systemPath, exists: false)
    }

    /// The places where an inventory is looked for when nobody named one, in order.
    public static func defaults(_ environment: [String: String]) -> [String] {
        let home = environment["HOME"].flatMap(absolute).map { "\($0)/.config" }
        let user = environment["XDG_CONFIG_HOME"].flatMap(absolute) ?? home
        return (user.map { ["\($0)/livemig/hosts.xml"] } ?? []) + [systemPath]
    }

    private static func nonEmpty(_ text: String?) -> String? {
        text.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// An absolute path without slashes at its end; `nil` for another path.
    private static func absolute(_ path: String) -> String? {
        guard path.hasPrefix("/") else { return nil }
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path == "/" ? "" : path
    }
}
