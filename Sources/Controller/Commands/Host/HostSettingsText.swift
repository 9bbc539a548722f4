import MigrationModel

/// A host's settings as text: one fact a line.
enum HostSettingsText {
    static func lines(_ settings: HostSettings) -> [String] {
        let policy = settings.policy
        let addresses = settings.addresses.map(\.description).joined(separator: " ")
        let reserve = policy.memoryReserve == nil ? " by default" : ""
        var rows = [
            ["live migration", policy.isLiveMigrationEnabled ? "enabled" : "disabled"],
            [
                "live moves",
                "\(policy.liveMoves) each way, \(settings.outgoing) leaving and "
                    + "\(settings.incoming) coming now",
            ],
            ["storage moves", "\(policy.storageMoves)"],
            ["memory reserve", "\(settings.memoryReserve)\(reserve)"],
        ]
        if settings.promised > ByteCount(0) {
            rows.append(["memory promised", "\(settings.promised) to guests on their way here"])
        }
        rows.append(["compression", policy.compression.word])
        rows += [
            ["QEMU runs as", user(policy)],
            ["QEMU's sandbox", policy.requiresSandbox ? "required" : "optional"],
            ["user networks", policy.userNetworking.word],
        ]
        rows += GuestFileKind.allCases.map { kind in
            let places = policy.folders.places(for: kind).filter { place in
                kind != .boot || !policy.folders.places(for: .image).contains(place)
            }
            let images = kind == .boot ? ["image folders"] : []
            let all = places + images
            return [kind.places, all.isEmpty ? "none" : all.joined(separator: " ")]
        }
        rows += policy.networks.map {
            [
                "migration network",
                "\($0.subnet), priority \($0.priority)"
                    + ($0.moves.map { ", at most \($0) at a time" } ?? ""),
            ]
        }
        rows += [
            ["other networks", policy.allowsAnyNetwork ? "allowed" : "refused"],
            ["addresses", addresses.isEmpty ? "none that peers can use" : addresses],
        ]
        rows +=
            policy.peers.isEmpty
            ? [["peers", "all that are trusted"]] : policy.peers.map { ["peer", $0.text] }
        rows.append(["guests", guests(policy.maintenance)])
        return TextTable.lines(rows)
    }

    private static func user(_ policy: HostPolicy) -> String {
        if let users = policy.hypervisorUsers { return "a user for each VM, of \(users)" }
        return policy.hypervisorUser ?? "the agent's user"
    }

    private static func guests(_ maintenance: Maintenance) -> String {
        let count = maintenance.guests.count
        let away = count == 0 ? "" : ", \(count) left when it was drained"
        return (maintenance.isCordoned ? "refused until livemig resume" : "welcome") + away
    }
}

/// A host's settings in JSON.
struct HostSettingsDocument: Encodable {
    let name: String
    let liveMigrationEnabled: Bool
    let liveMoves: Int
    let storageMoves: Int
    let outgoing: Int
    let incoming: Int
    let memoryReserveBytes: UInt64
    let memoryReserveIsDefault: Bool
    let memoryPromisedBytes: UInt64
    let compression: String
    let migrationNetworks: [HostDocument.Network]
    let anyNetwork: Bool
    let addresses: [String]
    let peers: [String]
    let hypervisorUser: String?
    let hypervisorUsers: String?
    let sandboxRequired: Bool
    let userNetwork: String
    let imageFolders: [String]
    let bootFolders: [String]
    let emulators: [String]
    let defaultFolders: Bool
    let cordoned: Bool
    let drainedGuests: [String]

    init(_ host: HostName, _ settings: HostSettings) {
        let policy = settings.policy
        name = host.text
        liveMigrationEnabled = policy.isLiveMigrationEnabled
        liveMoves = policy.liveMoves
        storageMoves = policy.storageMoves
        outgoing = settings.outgoing
        incoming = settings.incoming
        memoryReserveBytes = settings.memoryReserve.bytes
        memoryReserveIsDefault = policy.memoryReserve == nil
        memoryPromisedBytes = settings.promised.bytes
        compression = policy.compression.word
        migrationNetworks = policy.networks.map(HostDocument.Network.init)
        anyNetwork = policy.allowsAnyNetwork
        addresses = settings.addresses.map(\.description)
        peers = policy.peers.map(\.text)
        hypervisorUser = policy.hypervisorUser
        hypervisorUsers = policy.hypervisorUsers?.description
        sandboxRequired = policy.requiresSandbox
        userNetwork = policy.userNetworking.word
        imageFolders = policy.folders.places(for: .image)
        bootFolders = policy.folders.places(for: .boot)
        emulators = policy.folders.places(for: .emulator)
        defaultFolders = policy.folders.includesDefaults
        cordoned = policy.maintenance.isCordoned
        drainedGuests = policy.maintenance.guests.map(\.name.text)
    }
}
