public import MigrationModel

/// Where the history is.
public enum HistoryPlace {
    /// The place for root where the environment names no home.
    public static let systemPath = "/var/lib/livemig/history.sqlite"

    /// Decides which file is the history.
    ///
    /// `$LIVEMIG_HISTORY`, else `livemig/history.sqlite` in `$XDG_STATE_HOME`, else in
    /// `$HOME/.local/state`. As the XDG Base Directory Specification has it, an empty or relative
    /// `$XDG_STATE_HOME` counts as unset.
    /// - Parameters:
    ///   - environment: the environment variables.
    ///   - isRoot: whether the process is root's.
    /// - Throws: `E-HISTORY` where no variable tells.
    public static func find(
        environment: [String: String], isRoot: Bool
    ) throws(LivemigError) -> String {
        if let named = environment["LIVEMIG_HISTORY"], !named.isEmpty { return named }
        let home = environment["HOME"].flatMap(folder).map { $0 + "/.local/state" }
        if let state = environment["XDG_STATE_HOME"].flatMap(folder) ?? home {
            return state + "/livemig/history.sqlite"
        }
        guard isRoot else {
            throw LivemigError(
                .history, "there is no place for a history, since HOME is not set",
                fix: "name a file by LIVEMIG_HISTORY")
        }
        return systemPath
    }

    /// An absolute path without slashes at its end; `nil` for another path.
    private static func folder(_ path: String) -> String? {
        guard path.hasPrefix("/") else { return nil }
        var path = path
        while path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
