public import MigrationModel
import XMLDocuments

/// The inventory as a file: the hosts, how to reach them and by which keys they are recognised.
public enum InventoryDocument {
    /// The one version of the format.
    static let version = "1"

    /// Reads an inventory.
    /// - Parameters:
    ///   - bytes: the file's contents, UTF-8, at most 1 MiB.
    ///   - name: what errors call the file.
    /// - Returns: the hosts in order, each with its networks best first.
    /// - Throws: `E-XML`, `E-XML-DTD`, `E-XML-LIMIT`, `E-XML-UNSUPPORTED`, `E-XML-SCHEMA`,
    ///   `E-HOSTNAME`, `E-PORT`, `E-RANGE`; each with `name:line:column`.
    public static func decode(
        bytes: [UInt8], name: String
    ) throws(LivemigError) -> [HostRecord] {
        let document = try XMLDocument(bytes: bytes, name: name)
        let records = try InventoryDecoder.records(document.root)
        try schema.validate(document)
        return records
    }

    /// Writes an inventory such that `decode` gives back equal records.
    /// - Throws: as `HostRecordRules.check`, and `E-EXISTS` for two hosts of one name.
    public static func encode(_ records: [HostRecord]) throws(LivemigError) -> String {
        var names: Set<HostName> = []
        for record in records {
            guard names.insert(record.name).inserted else {
                throw LivemigError(.exists, "host \(record.name) is there twice")
            }
            do {
                try HostRecordRules.check(record)
            } catch {
                throw error.at("host \(record.name)")
            }
        }
        return try XMLContent(
            "livemig", ["version": version], children: records.map(InventoryEncoder.element)
        ).document()
    }

    /// What the format allows.
    static let schema = SharedXMLSchema(
        source: PackageResources.inventory_rng, name: "inventory.rng")
}

/// Reads the `livemig` element.
enum InventoryDecoder {
    static func records(_ root: XMLElement) throws(LivemigError) -> [HostRecord] {
        guard root.name == "livemig" else {
            throw root.error(
                .xmlUnsupported, "element <\(root.name)> is not supported",
                fix: "an inventory is a <livemig>")
        }
        try root.allow(attributes: ["version"], children: ["host"])
        _ = try root.required("version")
        try root.expect("version", in: [InventoryDocument.version])
        var places: [HostName: String] = [:]
        return try root.children.map { element throws(LivemigError) in
            let record = try record(element)
            if let first = places.updateValue(element.location, forKey: record.name) {
                throw element.error(
                    .xmlSchema, "host \(record.name) is there twice, first at \(first)",
                    attribute: "name")
            }
            return record
        }
    }

    private static func record(_ host: XMLElement) throws(LivemigError) -> HostRecord {
        try host.allow(
            attributes: [
                "name", "address", "port", "user", "identity", "root", "agent", "authorizedKeys",
                "become",
                "jump", "peerJump", "connectTimeout", "loginTimeout", "answerTimeout",
            ], children: ["hostKey", "migrationNetwork"])
        let name = try host.needed("name") { text throws(LivemigError) in try HostName(text) }
        let address = try host.needed("address") { text throws(LivemigError) in
            try HostRecordRules.address(text)
        }
        var record = HostRecord(name: name, address: address, hostKeys: [])
        record.statedPort = try host.parsed("port", HostRecordRules.port)
        record.statedUser = try value(host, "user", HostRecordRules.checkUser)
        record.identity = try value(host, "identity", HostRecordRules.checkIdentity)
        record.root = try path(host, "root") ?? record.root
        record.agent = try path(host, "agent") ?? record.agent
        record.authorizedKeys = try path(host, "authorizedKeys")
        record.become = try host.parsed("become", HostRecordRules.become)
        record.jump = try value(host, "jump", HostRecordRules.checkJump)
        record.peerJump = try value(host, "peerJump", HostRecordRules.checkJump)
        record.connectTimeout = try host.parsed("connectTimeout", HostRecordRules.timeout)
        record.loginTimeout = try host.parsed("loginTimeout", HostRecordRules.timeout)
        record.answerTimeout = try host.parsed("answerTimeout", HostRecordRules.timeout)
        for element in host.children where element.name == "hostKey" {
            record.hostKeys.append(try fingerprint(element))
        }
        let networks = host.children.filter { $0.name == "migrationNetwork" }
        record.migrationNetworks = try networks.map(network)
        record.migrationNetworks.sort { $0.priority < $1.priority }
        return record
    }

    private static func fingerprint(_ element: XMLElement) throws(LivemigError) -> String {
        try element.allow(text: true)
        do {
            try HostRecordRules.checkFingerprint(element.trimmedText)
        } catch {
            throw error.inDocument(at: element.location)
        }
        return element.trimmedText
    }

    private static func network(_ element: XMLElement) throws(LivemigError) -> MigrationNetwork {
        try element.allow(attributes: ["subnet", "priority"])
        let subnet = try element.needed("subnet") { text throws(LivemigError) in
            try Subnet(text)
        }
        let priority = try element.parsed("priority", MigrationNetwork.priority)
        return MigrationNetwork(subnet, priority: priority ?? MigrationNetwork.defaultPriority)
    }

    private static func path(
        _ host: XMLElement, _ attribute: String
    ) throws(LivemigError) -> String? {
        try value(host, attribute) { text throws(LivemigError) in
            try HostRecordRules.checkRemotePath(text, attribute)
        }
    }

    /// The attribute's text where `check` has nothing against it; `nil` when it is absent.
    private static func value(
        _ element: XMLElement, _ attribute: String, _ check: (String) throws(LivemigError) -> Void
    ) throws(LivemigError) -> String? {
        try element.parsed(attribute) { text throws(LivemigError) -> String in
            try check(text)
            return text
        }
    }
}

/// Writes records that have passed `HostRecordRules.check`.
enum InventoryEncoder {
    static func element(_ record: HostRecord) -> XMLContent {
        let keys = record.hostKeys.map { XMLContent("hostKey", text: $0) }
        let networks = record.migrationNetworks.map { network in
            XMLContent(
                "migrationNetwork",
                ["subnet": network.subnet.description, "priority": String(network.priority)])
        }
        return XMLContent(
            "host",
            [
                "name": record.name.text, "address": record.address,
                "port": record.statedPort.map(String.init), "user": record.statedUser,
                "identity": record.identity, "root": record.root, "agent": record.agent,
                "authorizedKeys": record.authorizedKeys, "become": record.become?.rawValue,
                "jump": record.jump, "peerJump": record.peerJump,
                "connectTimeout": record.connectTimeout.map(text),
                "loginTimeout": record.loginTimeout.map(text),
                "answerTimeout": record.answerTimeout.map(text),
            ], children: keys + networks)
    }

    private static func text(_ timeout: Duration) -> String {
        "\(Int(timeout.milliseconds.rounded()))ms"
    }
}
