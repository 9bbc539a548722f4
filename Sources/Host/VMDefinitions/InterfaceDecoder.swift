import MigrationModel
import XMLDocuments

/// Reads the `interface` elements, and gives an address to those that have none.
enum InterfaceDecoder {
    private enum Kind: String, CaseIterable {
        case bridge, user
    }

    static func read(
        _ devices: XMLElement, into definition: inout VMDefinition
    ) throws(LivemigError) {
        let elements = devices.children.filter { $0.name == "interface" }
        var taken: Set<String> = []
        var written: [String?] = []
        for element in elements {
            try element.allow(attributes: ["type"], children: ["mac", "source", "model"])
            let address = try address(element)
            if let address, !taken.insert(address).inserted {
                throw element.error(.xmlSchema, "MAC address \(address) is used twice")
            }
            written.append(address)
        }
        for (index, element) in elements.enumerated() {
            let address =
                written[index]
                ?? MACAddress.generated(for: definition.uuid, index: index, taken: taken)
            taken.insert(address)
            definition.interfaces.append(
                VMDefinition.Interface(attachment: try attachment(element), mac: address))
        }
    }

    private static func address(_ element: XMLElement) throws(LivemigError) -> String? {
        guard let mac = try element.only("mac") else { return nil }
        try mac.allow(attributes: ["address"])
        let text = try mac.required("address")
        guard let address = MACAddress.normalised(text) else {
            throw MACAddress.refusal(text).at(mac.location(ofAttribute: "address"))
        }
        return address
    }

    private static func attachment(
        _ element: XMLElement
    ) throws(LivemigError) -> VMDefinition.Interface.Attachment {
        _ = try element.required("type")
        let kind = try element.choice("type", as: Kind.self)
        if let model = try element.only("model") {
            try model.allow(attributes: ["type"])
            _ = try model.required("type")
            try model.expect("type", in: ["virtio"])
        }
        guard kind == .bridge else {
            if let source = try element.only("source") {
                throw source.error(
                    .xmlUnsupported, "element <source> is not supported with type user")
            }
            return .user
        }
        let source = try element.one("source")
        try source.allow(attributes: ["bridge"])
        let bridge = try source.required("bridge")
        do {
            try VMDefinitionRules.checkBridge(bridge)
        } catch {
            throw error.inDocument(at: source.location(ofAttribute: "bridge"))
        }
        return .bridge(bridge)
    }
}
