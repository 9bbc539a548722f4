import MigrationModel
import XMLDocuments

/// Reads the `hostPolicy` element.
enum HostPolicyDecoder {
    static func policy(_ root: XMLElement) throws(LivemigError) -> HostPolicy {
        guard root.name == "hostPolicy" else {
            throw root.error(
                .xmlUnsupported, "element <\(root.name)> is not supported",
                fix: "a host's policy is a <hostPolicy>")
        }
        try root.allow(
            attributes: ["version"],
            children: [
                "liveMigration", "storageMigration", "memoryReserve", "migrationNetworks", "peers",
                "hypervisor", "guestFiles", "maintenance",
            ])
        _ = try root.required("version")
        try root.expect("version", in: [HostPolicyDocument.version])
        var policy = HostPolicy()
        if let live = try root.only("liveMigration") { try read(live: live, into: &policy) }
        if let storage = try root.only("storageMigration") {
            try storage.allow(attributes: ["simultaneous"])
            policy.storageMoves = try moves(storage, "storage") ?? policy.storageMoves
        }
        if let reserve = try root.only("memoryReserve") {
            try reserve.allow(attributes: ["size"])
            policy.memoryReserve = try reserve.needed("size", ReserveText.size)
        }
        if let hypervisor = try root.only("hypervisor") {
            try read(hypervisor: hypervisor, into: &policy)
        }
        if let files = try root.only("guestFiles") {
            policy.folders = try read(files: files)
        }
        if let maintenance = try root.only("maintenance") {
            policy.maintenance = try read(maintenance: maintenance)
        }
        if let networks = try root.only("migrationNetworks") {
            try read(networks: networks, into: &policy)
        }
        if let peers = try root.only("peers") { policy.peers = try read(peers: peers) }
        return policy
    }

    private static func read(
        live: XMLElement, into policy: inout HostPolicy
    ) throws(LivemigError) {
        try live.allow(attributes: ["enabled", "simultaneous", "compression"])
        policy.isLiveMigrationEnabled = try flag(live, "enabled") ?? policy.isLiveMigrationEnabled
        policy.liveMoves = try moves(live, "live") ?? policy.liveMoves
        let compressions = MigrationPolicy.Compression.allCases
        try live.expect("compression", in: compressions.map(\.word))
        let word = live.attribute("compression")
        policy.compression = compressions.first { $0.word == word } ?? policy.compression
    }

    private static func read(files element: XMLElement) throws(LivemigError) -> GuestFolders {
        try element.allow(
            attributes: ["defaults"], children: GuestFileKind.allCases.map(\.rawValue))
        var folders = GuestFolders()
        folders.includesDefaults = try flag(element, "defaults") ?? true
        for kind in GuestFileKind.allCases {
            var places: [String] = []
            for child in element.children where child.name == kind.rawValue {
                try child.allow(attributes: ["path"])
                let place = try child.needed("path") { text throws(LivemigError) in
                    try GuestFolders.check(text, kind)
                    return text
                }
                guard !places.contains(place) else {
                    throw child.error(
                        .xmlSchema, "\(place) is there twice", attribute: "path")
                }
                guard places.count < GuestFolders.limit else {
                    throw child.error(
                        .xmlLimit, "more than \(GuestFolders.limit) of <\(child.name)>")
                }
                places.append(place)
            }
            folders[kind] = places
        }
        return folders
    }

    private static func read(
        hypervisor element: XMLElement, into policy: inout HostPolicy
    ) throws(LivemigError) {
        try element.allow(attributes: ["user", "users", "sandbox", "userNetwork"])
        policy.hypervisorUser = try element.parsed("user") { text throws(LivemigError) in
            try HostPolicy.check(user: text)
            return text
        }
        policy.hypervisorUsers = try element.parsed("users") { text throws(LivemigError) in
            try HypervisorUserRange(parsing: text)
        }
        guard policy.hypervisorUser == nil || policy.hypervisorUsers == nil else {
            throw element.error(
                .xmlSchema, "one user and a range of users contradict each other",
                attribute: "users", fix: "keep users, which separates guests from each other")
        }
        policy.requiresSandbox =
            try element.choice("sandbox", as: SandboxWord.self).map { $0 == .required } ?? true
        try element.expect("userNetwork", in: UserNetworking.allCases.map(\.word))
        let word = element.attribute("userNetwork")
        policy.userNetworking =
            UserNetworking.allCases.first { $0.word == word } ?? policy.userNetworking
    }

    private static func read(
        networks element: XMLElement, into policy: inout HostPolicy
    ) throws(LivemigError) {
        try element.allow(attributes: ["any"], children: ["migrationNetwork"])
        policy.allowsAnyNetwork = try flag(element, "any") ?? policy.allowsAnyNetwork
        policy.networks = try entries(
            of: element, "subnet", limit: HostPolicy.networkLimit,
            { element throws(LivemigError) in try network(element) }, key: \.subnet)
        policy.networks.sort { $0.priority < $1.priority }
        guard policy.allowsAnyNetwork || !policy.networks.isEmpty else {
            throw element.error(
                .xmlSchema, "no network is left for page data", attribute: "any",
                fix: "list a <migrationNetwork>, or write any=\"yes\"")
        }
    }

    private static func read(
        maintenance element: XMLElement
    ) throws(LivemigError) -> Maintenance {
        try element.allow(attributes: ["cordoned"], children: ["guest"])
        var maintenance = Maintenance()
        maintenance.isCordoned = try flag(element, "cordoned") ?? false
        maintenance.guests = try entries(
            of: element, "uuid", limit: Maintenance.guestLimit,
            { element throws(LivemigError) in
                try element.allow(attributes: ["name", "uuid", "fate"])
                let fates = Maintenance.Fate.allCases
                try element.expect("fate", in: fates.map(\.word))
                let fate = fates.first { $0.word == element.attribute("fate") }
                return Maintenance.Guest(
                    name: try element.needed("name") { text throws(LivemigError) in
                        try VMName(text)
                    },
                    uuid: try element.needed("uuid") { text throws(LivemigError) in
                        guard let uuid = VMUUID(text) else {
                            throw LivemigError(.xmlSchema, "\(text.escaped()) is not a UUID")
                        }
                        return uuid
                    }, fate: fate ?? .moved)
            }, key: \.uuid)
        return maintenance
    }

    private static func network(_ element: XMLElement) throws(LivemigError) -> MigrationNetwork {
        try element.allow(attributes: ["subnet", "priority", "simultaneous"])
        let subnet = try element.needed("subnet") { text throws(LivemigError) in
            try Subnet(text)
        }
        let priority = try element.parsed("priority", MigrationNetwork.priority)
        return MigrationNetwork(
            subnet, priority: priority ?? MigrationNetwork.defaultPriority,
            moves: try moves(element) { count throws(LivemigError) in
                try MigrationNetwork.check(moves: count)
            })
    }

    private static func read(peers element: XMLElement) throws(LivemigError) -> [HostName] {
        try element.allow(children: ["peer"])
        // Without this a list that lost its entries would allow everybody.
        guard !element.children.isEmpty else {
            throw element.error(
                .xmlSchema, "element <peers> is empty", fix: "leave it out to allow all peers")
        }
        return try entries(
            of: element, "name", limit: HostPolicy.peerLimit,
            { element throws(LivemigError) in
                try element.allow(attributes: ["name"])
                return try element.needed("name") { text throws(LivemigError) in
                    try HostName(text)
                }
            }, key: \.self)
    }

    /// The children as values, each only once.
    private static func entries<Value, Key: Hashable>(
        of element: XMLElement, _ attribute: String, limit: Int,
        _ read: (XMLElement) throws(LivemigError) -> Value, key: (Value) -> Key
    ) throws(LivemigError) -> [Value] {
        var places: [Key: XMLPosition] = [:]
        var values: [Value] = []
        for child in element.children {
            let value = try read(child)
            if let first = places.updateValue(child.position, forKey: key(value)) {
                throw child.error(
                    .xmlSchema, "\(key(value)) is there twice, first at \(first)",
                    attribute: attribute)
            }
            guard values.count < limit else {
                throw child.error(.xmlLimit, "more than \(limit) of <\(child.name)>")
            }
            values.append(value)
        }
        return values
    }

    private static func flag(
        _ element: XMLElement, _ attribute: String
    ) throws(LivemigError) -> Bool? {
        try element.choice(attribute, as: YesOrNo.self).map { $0 == .yes }
    }

    private static func moves(
        _ element: XMLElement, _ kind: String
    ) throws(LivemigError) -> Int? {
        try moves(element) { count throws(LivemigError) in
            try HostPolicy.check(moves: count, kind)
        }
    }

    private static func moves(
        _ element: XMLElement, _ check: (Int) throws(LivemigError) -> Void
    ) throws(LivemigError) -> Int? {
        try element.parsed("simultaneous") { text throws(LivemigError) in
            guard let count = Int(digits: text, atMost: 3) else {
                throw LivemigError(.range, "\(text.escaped()) is not a number of moves")
            }
            try check(count)
            return count
        }
    }
}
