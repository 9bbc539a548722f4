import ArgumentParser
import MigrationModel

/// The options that change a host's policy.
struct HostPolicyOptions: ParsableArguments {
    @Flag(help: "Let guests leave and come live.")
    var enable = false

    @Flag(help: "Let no guest leave or come.")
    var disable = false

    @Option(
        name: .customLong("live-moves"),
        help: ArgumentHelp("Moves at a time, each way, 1 to 255.", valueName: "n"))
    var liveMoves: Int?

    @Option(
        name: .customLong("storage-moves"),
        help: ArgumentHelp("Moves of disks at a time, 1 to 255.", valueName: "n"))
    var storageMoves: Int?

    @Option(
        name: .customLong("memory-reserve"),
        help: ArgumentHelp(
            "Memory that guests leave to the host, or default.", valueName: "size"))
    var memoryReserve: String?

    @Option(help: ArgumentHelp("How pages of its guests are compressed.", valueName: "codec"))
    var compression: MovePolicyOptions.Compression?

    @Option(
        name: .customLong("hypervisor-user"),
        help: ArgumentHelp(
            "User without privileges that QEMU runs as, or default for the agent's own.",
            valueName: "user"))
    var hypervisorUser: String?

    @Option(
        name: .customLong("hypervisor-users"),
        help: ArgumentHelp(
            "User numbers for QEMU, one for each VM, or default for the agent's own.",
            valueName: "first-last"))
    var hypervisorUsers: String?

    @Option(help: ArgumentHelp("Whether QEMU must have a system call filter.", valueName: "word"))
    var sandbox: Sandbox?

    @Option(
        name: .customLong("user-network"),
        help: ArgumentHelp("What guests reach by interfaces of type user.", valueName: "word"))
    var userNetwork: UserNetwork?

    @Option(
        name: .customLong("image-folder"),
        help: ArgumentHelp(
            "Let guests have disk images below this folder as well; may be repeated.",
            valueName: "folder"))
    var imageFolders: [String] = []

    @Option(
        name: .customLong("boot-folder"),
        help: ArgumentHelp(
            "Let guests boot kernels and firmware below this folder as well; may be repeated.",
            valueName: "folder"))
    var bootFolders: [String] = []

    @Option(
        name: .customLong("emulator"),
        help: ArgumentHelp(
            "Let guests name this QEMU, or one in this folder, as well; may be repeated.",
            valueName: "path"))
    var emulators: [String] = []

    @Option(
        name: .customLong("remove-folder"),
        help: ArgumentHelp(
            "No longer let guests have files there; may be repeated.", valueName: "path"))
    var removedFolders: [String] = []

    @Flag(
        name: .customLong("default-folders"),
        help: "Besides the folders that are listed, allow the default ones.")
    var defaultFolders = false

    @Flag(
        name: .customLong("only-folders"),
        help: "Allow the folders and emulators that are listed, and no default one.")
    var onlyFolders = false

    @Option(
        name: .customLong("network"),
        help: ArgumentHelp(
            "Prefer a network for page data; may be repeated. Lower priorities come first.",
            valueName: "subnet[=priority]"))
    var networks: [String] = []

    @Option(
        name: .customLong("remove-network"),
        help: ArgumentHelp("No longer prefer a network; may be repeated.", valueName: "subnet"))
    var removedNetworks: [String] = []

    @Option(
        name: .customLong("network-moves"),
        help: ArgumentHelp(
            "Moves at a time on a network that is listed, 1 to 255 or unlimited; may be repeated.",
            valueName: "subnet=n"))
    var networkMoves: [String] = []

    @Flag(
        name: .customLong("any-network"),
        help: "Where none of the networks fits, use the address of the inventory.")
    var anyNetwork = false

    @Flag(name: .customLong("only-networks"), help: "Use the networks or refuse.")
    var onlyNetworks = false

    @Option(
        name: .customLong("allow-peer"),
        help: ArgumentHelp(
            "Allow moves with this host and those allowed before, and no other; may be repeated.",
            valueName: "host"))
    var allowedPeers: [String] = []

    @Option(
        name: .customLong("remove-peer"),
        help: ArgumentHelp("No longer allow a host; may be repeated.", valueName: "host"))
    var removedPeers: [String] = []

    @Flag(name: .customLong("all-peers"), help: "Allow all hosts that are trusted.")
    var allPeers = false

    /// Whether QEMU must have a system call filter, as an operator writes it.
    enum Sandbox: String, CaseIterable, ExpressibleByArgument {
        case required, optional
    }

    /// What interfaces of type `user` reach, as an operator writes it.
    enum UserNetwork: String, CaseIterable, ExpressibleByArgument {
        case restricted, open, refused
    }

    /// The change, its words checked.
    /// - Throws: `E-USAGE` for options that contradict each other, `E-RANGE`, `E-SIZE`,
    ///   `E-HOSTNAME`.
    func change() throws(LivemigError) -> HostPolicyChange {
        var change = HostPolicyChange()
        change.isEnabled = try Self.choice(("--enable", enable), ("--disable", disable))
        change.allowsAnyNetwork = try Self.choice(
            ("--any-network", anyNetwork), ("--only-networks", onlyNetworks))
        for moves in [liveMoves, storageMoves] {
            if let moves { try HostPolicy.check(moves: moves, "live or storage") }
        }
        change.liveMoves = liveMoves
        change.storageMoves = storageMoves
        if let memoryReserve { change.memoryReserve = try Self.reserve(memoryReserve) }
        if let hypervisorUser {
            change.hypervisorUser = try Self.user(hypervisorUser)
        }
        if let hypervisorUsers {
            guard hypervisorUser == nil else {
                throw LivemigError(
                    .usage, "--hypervisor-user and --hypervisor-users contradict each other")
            }
            change.hypervisorUser = try Self.users(hypervisorUsers)
        }
        change.requiresSandbox = sandbox.map { $0 == .required }
        let reach = userNetwork?.rawValue
        change.userNetworking = UserNetworking.allCases.first { $0.word == reach }
        let word = compression?.rawValue
        change.compression = MigrationPolicy.Compression.allCases.first { $0.word == word }
        change.folders = try folderChange()
        change.networks = try networks.map { text throws(LivemigError) in
            try MigrationNetwork(parsing: text)
        }
        change.removedNetworks = try removedNetworks.map { text throws(LivemigError) in
            try Subnet(text)
        }
        change.networkMoves = try networkMoves.map { text throws(LivemigError) in
            try Self.networkMoves(text)
        }
        change.peers = try Self.names(allowedPeers)
        change.removedPeers = try Self.names(removedPeers)
        guard !allPeers || allowedPeers.isEmpty && removedPeers.isEmpty else {
            throw LivemigError(
                .usage, "--all-peers goes with neither --allow-peer nor --remove-peer")
        }
        change.allowsAllPeers = allPeers
        return change
    }

    /// What takes a setting back.
    private static let byDefault = "default"

    private func folderChange() throws(LivemigError) -> GuestFolderChange {
        var change = GuestFolderChange()
        change.includesDefaults = try Self.choice(
            ("--default-folders", defaultFolders), ("--only-folders", onlyFolders))
        change.removed = try removedFolders.map(Self.place)
        change.added[.image] = try imageFolders.map(Self.place)
        change.added[.boot] = try bootFolders.map(Self.place)
        change.added[.emulator] = try emulators.map(Self.place)
        try change.added.check()
        return change
    }

    /// A folder may be written with a slash at its end.
    private static func place(_ text: String) throws(LivemigError) -> String {
        text.count > 1 && text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private static func choice(
        _ yes: (name: String, isGiven: Bool), _ no: (name: String, isGiven: Bool)
    ) throws(LivemigError) -> Bool? {
        guard !yes.isGiven || !no.isGiven else {
            throw LivemigError(.usage, "\(yes.name) and \(no.name) contradict each other")
        }
        return yes.isGiven || no.isGiven ? yes.isGiven : nil
    }

    private static func reserve(
        _ text: String
    ) throws(LivemigError) -> HostPolicyChange.MemoryReserve {
        guard text != byDefault else { return .byDefault }
        do {
            return .size(try ByteCount(parsing: text))
        } catch {
            throw error.at("--memory-reserve")
        }
    }

    private static func user(
        _ text: String
    ) throws(LivemigError) -> HostPolicyChange.HypervisorUser {
        guard text != byDefault else { return .byDefault }
        try HostPolicy.check(user: text)
        return .named(text)
    }

    private static func users(
        _ text: String
    ) throws(LivemigError) -> HostPolicyChange.HypervisorUser {
        guard text != byDefault else { return .byDefault }
        do {
            return .range(try HypervisorUserRange(parsing: text))
        } catch {
            throw error.at("--hypervisor-users")
        }
    }

    /// Reads `10.77.0.0/24=2` or `10.77.0.0/24=unlimited`.
    private static func networkMoves(
        _ text: String
    ) throws(LivemigError) -> HostPolicyChange.NetworkMoves {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let subnet = try Subnet(String(parts[0]))
        guard parts.count == 2 else {
            throw LivemigError(
                .usage, "\(text.escaped()) does not say how many moves", at: "--network-moves",
                fix: "write \(subnet)=2 or \(subnet)=unlimited")
        }
        if parts[1] == "unlimited" { return .init(subnet: subnet, limit: nil) }
        guard let count = Int(digits: String(parts[1]), atMost: 3) else {
            throw LivemigError(
                .range, "\(String(parts[1]).escaped()) is not a number of moves",
                at: "--network-moves")
        }
        try MigrationNetwork.check(moves: count)
        return .init(subnet: subnet, limit: count)
    }

    private static func names(_ texts: [String]) throws(LivemigError) -> [HostName] {
        try texts.map { text throws(LivemigError) in try HostName(text) }
    }
}
