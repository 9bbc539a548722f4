import MigrationModel
import XMLDocuments

/// Reads a `domain` element; devices are read by `DeviceDecoder`.
struct DomainDecoder {
    let generatedUUID: VMUUID?

    func definition(_ domain: XMLElement) throws(LivemigError) -> VMDefinition {
        guard domain.name == "domain" else {
            throw domain.error(
                .xmlUnsupported, "element <\(domain.name)> is not supported",
                fix: "a VM definition is a <domain>")
        }
        try domain.allow(
            attributes: ["type", "id"],
            children: [
                "name", "uuid", "metadata", "memory", "currentMemory", "vcpu", "cpu", "os",
                "devices",
            ])
        _ = try domain.required("type")
        guard let kind = try domain.choice("type", as: VMDefinition.Kind.self) else {
            throw domain.error(.internal, "no type")
        }
        try checkID(domain)
        let name = try Self.word(domain.one("name")) { text throws(LivemigError) in
            try VMName(text)
        }
        let uuid = try self.uuid(domain)
        var definition = VMDefinition(
            name: name, uuid: uuid, kind: kind, memory: try memory(domain),
            vcpus: try vcpus(domain),
            cpuModel: try cpuModel(domain), boot: try BootDecoder.boot(domain.only("os"), of: kind),
            serialPorts: 0)
        if let metadata = try domain.only("metadata") {
            definition.policy = try GuestPolicyCoding.policy(metadata)
        }
        if let devices = try domain.only("devices") {
            try DeviceDecoder.read(devices, into: &definition)
        }
        return definition
    }

    /// The text of an element without attributes and children, read by `parse`.
    static func word<Value>(
        _ element: XMLElement, attributes: [String] = [],
        parse: (String) throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value {
        try element.allow(attributes: attributes, text: true)
        do {
            return try parse(element.trimmedText)
        } catch {
            throw error.inDocument(at: element.location)
        }
    }

    /// libvirt numbers running domains; the number means nothing elsewhere.
    private func checkID(_ domain: XMLElement) throws(LivemigError) {
        guard let id = domain.attribute("id") else { return }
        let isNumber =
            !id.isEmpty && id.utf8.count <= 10 && id.utf8.allSatisfy { (48...57).contains($0) }
        guard isNumber else {
            throw domain.error(
                .xmlSchema, "id \(id.escaped()) is not a number", attribute: "id")
        }
    }

    private func uuid(_ domain: XMLElement) throws(LivemigError) -> VMUUID {
        guard let element = try domain.only("uuid") else {
            guard let generatedUUID else { return try missingUUID(domain) }
            return generatedUUID
        }
        return try Self.word(element) { text throws(LivemigError) in
            guard let uuid = VMUUID(text) else {
                throw LivemigError(
                    .xmlSchema, "\(text.escaped()) is not a UUID",
                    fix: "write 8-4-4-4-12 hexadecimal digits")
            }
            return uuid
        }
    }

    private func missingUUID(_ domain: XMLElement) throws(LivemigError) -> VMUUID {
        throw domain.error(.xmlSchema, "element <uuid> is missing in <domain>")
    }

    private func memory(_ domain: XMLElement) throws(LivemigError) -> ByteCount {
        let memory = try size(domain.one("memory"))
        guard let current = try domain.only("currentMemory") else { return memory }
        guard try size(current) == memory else {
            throw current.error(
                .xmlUnsupported, "<currentMemory> that differs from <memory> is not supported",
                fix: "give both the same size or leave it out: there is no balloon")
        }
        return memory
    }

    private func size(_ element: XMLElement) throws(LivemigError) -> ByteCount {
        try Self.word(element, attributes: ["unit"]) { text throws(LivemigError) in
            let size = try MemoryText.size(text, unit: element.attribute("unit"))
            try VMDefinitionRules.checkMemory(size)
            return size
        }
    }

    private func vcpus(_ domain: XMLElement) throws(LivemigError) -> Int {
        let element = try domain.one("vcpu")
        let count = try Self.word(element, attributes: ["placement"]) { text throws(LivemigError) in
            let isNumber = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
            guard isNumber, let count = Int(text) else {
                throw LivemigError(.range, "\(text.escaped()) is not a number of vCPUs")
            }
            try VMDefinitionRules.checkVCPUs(count)
            return count
        }
        try element.expect("placement", in: ["static"])
        return count
    }

    private enum CPUMode: String, CaseIterable {
        case custom
        case hostPassthrough = "host-passthrough"
        case maximum
    }

    private func cpuModel(_ domain: XMLElement) throws(LivemigError) -> String? {
        guard let cpu = try domain.only("cpu") else { return nil }
        try cpu.allow(
            attributes: ["mode", "match", "check", "migratable"], children: ["model"])
        let mode = try cpu.choice("mode", as: CPUMode.self) ?? .custom
        try cpu.expect("match", in: ["exact"])
        try cpu.expect("check", in: ["none"])
        try cpu.expect("migratable", in: ["on"])
        guard mode == .custom else {
            if let model = try cpu.only("model") {
                throw model.error(
                    .xmlUnsupported, "element <model> is not supported with mode \(mode.rawValue)")
            }
            return mode == .maximum ? "max" : "host"
        }
        let model = try cpu.one("model")
        let name = try Self.word(model, attributes: ["fallback"]) { text throws(LivemigError) in
            try VMDefinitionRules.checkWord(text, "CPU model")
            return text
        }
        try model.expect("fallback", in: ["forbid"])
        return name
    }
}
