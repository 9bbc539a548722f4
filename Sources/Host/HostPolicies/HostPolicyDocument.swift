public import MigrationModel
import XMLDocuments

/// A host's policy as a document: what it does not say is as by default, and what the format does
/// not know is an error with line and column.
public enum HostPolicyDocument {
    /// The one version of the format.
    static let version = "1"

    /// Reads a policy.
    /// - Parameters:
    ///   - bytes: the file's contents, UTF-8, at most 1 MiB.
    ///   - name: what errors call the file.
    /// - Throws: `E-XML`, `E-XML-DTD`, `E-XML-LIMIT`, `E-XML-UNSUPPORTED`, `E-XML-SCHEMA`,
    ///   `E-HOSTNAME`, `E-SIZE`, `E-RANGE`; each with `name:line:column`.
    public static func decode(
        bytes: [UInt8], name: String
    ) throws(LivemigError) -> HostPolicy {
        let document = try XMLDocument(bytes: bytes, name: name)
        let policy = try HostPolicyDecoder.policy(document.root)
        try schema.validate(document)
        return policy
    }

    /// Writes a policy such that `decode` gives back an equal one.
    /// - Throws: as `HostPolicy.check`.
    public static func encode(_ policy: HostPolicy) throws(LivemigError) -> String {
        try policy.check()
        return try HostPolicyEncoder.element(policy).document()
    }

    /// What the format allows.
    static let schema = SharedXMLSchema(source: PackageResources.host_rng, name: "host.rng")
}

/// Writes a policy that has passed `HostPolicy.check`.
enum HostPolicyEncoder {
    static func element(_ policy: HostPolicy) -> XMLContent {
        let networks = policy.networks.map { network in
            XMLContent(
                "migrationNetwork",
                [
                    "subnet": network.subnet.description,
                    "priority": String(network.priority),
                    "simultaneous": network.moves.map { String($0) },
                ])
        }
        var children = [
            XMLContent(
                "liveMigration",
                [
                    "enabled": YesOrNo(policy.isLiveMigrationEnabled).rawValue,
                    "simultaneous": String(policy.liveMoves),
                    "compression": policy.compression.word,
                ]),
            XMLContent("storageMigration", ["simultaneous": String(policy.storageMoves)]),
            XMLContent(
                "migrationNetworks", ["any": YesOrNo(policy.allowsAnyNetwork).rawValue],
                children: networks),
        ]
        if let reserve = policy.memoryReserve {
            children.append(XMLContent("memoryReserve", ["size": ReserveText.text(reserve)]))
        }
        if let hypervisor = hypervisor(policy) { children.append(hypervisor) }
        if policy.folders != GuestFolders() { children.append(element(policy.folders)) }
        if !policy.peers.isEmpty {
            let peers = policy.peers.map { XMLContent("peer", ["name": $0.text]) }
            children.append(XMLContent("peers", children: peers))
        }
        if policy.maintenance != Maintenance() {
            children.append(element(policy.maintenance))
        }
        return XMLContent(
            "hostPolicy", ["version": HostPolicyDocument.version], children: children)
    }
}

extension HostPolicyEncoder {
    /// What QEMU may be and do; `nil` where all of it is as by default.
    private static func hypervisor(_ policy: HostPolicy) -> XMLContent? {
        let plain = HostPolicy()
        let sandbox = policy.requiresSandbox
        let network = policy.userNetworking
        let attributes: KeyValuePairs<String, String?> = [
            "user": policy.hypervisorUser, "users": policy.hypervisorUsers?.description,
            "sandbox": sandbox == plain.requiresSandbox ? nil : SandboxWord(sandbox).rawValue,
            "userNetwork": network == plain.userNetworking ? nil : network.word,
        ]
        guard attributes.contains(where: { $0.value != nil }) else { return nil }
        return XMLContent("hypervisor", attributes)
    }

    private static func element(_ folders: GuestFolders) -> XMLContent {
        let places = GuestFileKind.allCases.flatMap { kind in
            folders[kind].map { XMLContent(kind.rawValue, ["path": $0]) }
        }
        return XMLContent(
            "guestFiles", ["defaults": YesOrNo(folders.includesDefaults).rawValue],
            children: places)
    }

    private static func element(_ maintenance: Maintenance) -> XMLContent {
        let guests = maintenance.guests.map { guest in
            XMLContent(
                "guest",
                [
                    "name": guest.name.text, "uuid": guest.uuid.description,
                    "fate": guest.fate == .moved ? nil : guest.fate.word,
                ])
        }
        return XMLContent(
            "maintenance", ["cordoned": YesOrNo(maintenance.isCordoned).rawValue],
            children: guests)
    }
}

/// The words for a switch.
enum YesOrNo: String, CaseIterable {
    case yes, no

    init(_ value: Bool) { self = value ? .yes : .no }
}

/// Whether QEMU must have a system call filter.
enum SandboxWord: String, CaseIterable {
    case required, optional

    init(_ isRequired: Bool) { self = isRequired ? .required : .optional }
}

/// Sizes in the file: a whole number and a binary unit, without a space.
enum ReserveText {
    private static let units: [(name: String, shift: UInt64)] = [
        ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0),
    ]

    /// The size in the largest unit that leaves no fraction.
    static func text(_ size: ByteCount) -> String {
        let unit = units.first { size.bytes > 0 && size.bytes % (1 << $0.shift) == 0 }
        return "\(size.bytes >> (unit?.shift ?? 0))\(unit?.name ?? "B")"
    }

    /// Reads a size.
    /// - Throws: `E-SIZE`.
    static func size(_ text: String) throws(LivemigError) -> ByteCount {
        let number = text.prefix { $0.isASCII && $0.isNumber }
        let name = text.dropFirst(number.count)
        guard let count = Int(digits: String(number), atMost: 15),
            let unit = units.first(where: { $0.name == name })
        else {
            throw LivemigError(
                .size, "\(text.escaped()) is not a size", fix: "write such as 512MiB")
        }
        let (bytes, overflow) = UInt64(count).multipliedReportingOverflow(by: 1 << unit.shift)
        guard !overflow, ByteCount(bytes) <= HostPolicy.reserveLimit else {
            throw LivemigError(.range, "a reserve of \(text.escaped()) is above 16 TiB")
        }
        return ByteCount(bytes)
    }
}
