import MigrationModel

/// What of the places for guests' files shall become different.
struct GuestFolderChange: Hashable, Sendable {
    /// Places to add.
    var added = GuestFolders()
    /// Places to remove, of whatever kind.
    var removed: [String] = []
    /// Whether the default places count.
    var includesDefaults: Bool?

    /// Makes the change.
    /// - Throws: `E-USAGE` for a place to remove that is not listed.
    func apply(to folders: inout GuestFolders) throws(LivemigError) {
        for place in removed {
            let isListed = GuestFileKind.allCases.contains { folders[$0].contains(place) }
            guard isListed else {
                throw LivemigError(
                    .usage, "\(place.escaped()) is not listed",
                    fix: "--only-folders takes the default ones away")
            }
            for kind in GuestFileKind.allCases { folders[kind].removeAll { $0 == place } }
        }
        for kind in GuestFileKind.allCases {
            folders[kind] += added[kind].filter { !folders[kind].contains($0) }
            folders[kind].sort()
        }
        folders.includesDefaults = includesDefaults ?? folders.includesDefaults
    }
}
