import MigrationModel
import XMLDocuments

/// The `metadata` element, in which an application keeps what is its own, and what of it is
/// livemig's: one `policy` element in a namespace of its own.
///
/// Source: <https://libvirt.org/formatdomain.html#general-metadata>.
enum GuestPolicyCoding {
    /// The namespace of the policy.
    static let namespace = "urn:livemig:policy:1"

    /// Reads a policy.
    static func policy(_ metadata: XMLElement) throws(LivemigError) -> GuestPolicy {
        try metadata.allow(children: ["policy"])
        guard let element = try metadata.only("policy") else { return GuestPolicy() }
        try element.allow(
            attributes: ["xmlns", "priority"],
            children: ["drain", "prefer", "forbid", "affinity", "antiAffinity"])
        guard element.attribute("xmlns") == namespace else {
            throw element.error(
                .xmlUnsupported, "element <policy> of this namespace is not supported",
                fix: "write <policy xmlns=\"\(namespace)\">")
        }
        var policy = GuestPolicy()
        let priority = try element.parsed("priority") { text throws(LivemigError) in
            try Priority(parsing: text)
        }
        policy.priority = priority ?? policy.priority
        if let drain = try element.only("drain") { policy.drain = try self.drain(drain) }
        policy.placement = try placement(element)
        do {
            try policy.check()
        } catch {
            throw error.inDocument(at: element.location)
        }
        return policy
    }

    private static func drain(_ element: XMLElement) throws(LivemigError) -> DrainPolicy {
        try element.allow(attributes: ["action", "fallback"])
        return DrainPolicy(
            try element.choice("action") ?? .live, fallback: try element.choice("fallback"))
    }

    private static func placement(_ policy: XMLElement) throws(LivemigError) -> PlacementRules {
        var rules = PlacementRules()
        rules.preferred = try hosts(policy, "prefer")
        let forbidden = try hosts(policy, "forbid")
        rules.forbidden = Set(forbidden)
        rules.affinity = try policy.only("affinity").map { element throws(LivemigError) in
            try element.allow(attributes: ["group"])
            return try group(element)
        }
        rules.antiAffinity = try policy.only("antiAffinity").map { element throws(LivemigError) in
            try element.allow(attributes: ["group", "required"])
            let isRequired = try element.choice("required", as: YesNo.self) == .yes
            return PlacementRules.AntiAffinity(try group(element), isHard: isRequired)
        }
        return rules
    }

    private enum YesNo: String, CaseIterable {
        case yes, no
    }

    private static func hosts(
        _ policy: XMLElement, _ name: String
    ) throws(LivemigError) -> [HostName] {
        try policy.children.filter { $0.name == name }.map { element throws(LivemigError) in
            try element.allow(attributes: ["host"])
            return try element.needed("host") { text throws(LivemigError) in try HostName(text) }
        }
    }

    private static func group(_ element: XMLElement) throws(LivemigError) -> String {
        try element.needed("group") { text throws(LivemigError) in
            try PlacementRules.check(group: text)
            return text
        }
    }

    /// The element for a policy; `nil` for one that says nothing.
    static func metadata(_ policy: GuestPolicy) -> XMLContent? {
        guard !policy.isDefault else { return nil }
        let attributes: KeyValuePairs = [
            "xmlns": namespace,
            "priority": policy.priority == .medium ? nil : policy.priority.description,
        ]
        return XMLContent(
            "metadata",
            children: [XMLContent("policy", attributes, children: children(of: policy))])
    }

    private static func children(of policy: GuestPolicy) -> [XMLContent] {
        let rules = policy.placement
        var children: [XMLContent] = []
        if policy.drain != DrainPolicy() {
            let drain = policy.drain
            children.append(
                XMLContent(
                    "drain",
                    ["action": drain.action.rawValue, "fallback": drain.fallback?.rawValue]))
        }
        children += rules.preferred.map { XMLContent("prefer", ["host": $0.text]) }
        children += rules.forbidden.map(\.text).sorted().map {
            XMLContent("forbid", ["host": $0])
        }
        if let group = rules.affinity {
            children.append(XMLContent("affinity", ["group": group]))
        }
        if let rule = rules.antiAffinity {
            children.append(
                XMLContent(
                    "antiAffinity",
                    ["group": rule.group, "required": rule.isHard ? "yes" : nil]))
        }
        return children
    }
}
