import MigrationModel
import XMLDocuments

/// Reads the `devices` element.
enum DeviceDecoder {
    static func read(
        _ devices: XMLElement, into definition: inout VMDefinition
    ) throws(LivemigError) {
        if let channel = devices.children.first(where: { $0.name == "channel" }) {
            throw refusal(ofChannel: channel)
        }
        try devices.allow(children: ["emulator", "disk", "interface", "serial", "console", "rng"])
        if let element = try devices.only("emulator") {
            definition.emulator = try path(element, "emulator")
        }
        for element in devices.children where element.name == "disk" {
            let disk = try disk(element)
            guard !definition.disks.contains(where: { $0.target == disk.target }) else {
                throw element.error(
                    .xmlSchema, "disk target \(disk.target.escaped()) is used twice")
            }
            definition.disks.append(disk)
        }
        try InterfaceDecoder.read(devices, into: &definition)
        definition.serialPorts = try SerialDecoder.ports(devices)
        definition.randomSource = try randomSource(devices.only("rng"))
    }

    /// A channel is part of a guest's agent or display; without it the guest misses something that
    /// it was given.
    private static func refusal(ofChannel channel: XMLElement) -> LivemigError {
        let type = channel.attribute("type") ?? ""
        let target = channel.children.first { $0.name == "target" }?.attribute("name") ?? ""
        return channel.error(
            .device, "channel \(target.escaped()) of type \(type.escaped()) cannot be migrated",
            fix: "remove the channel")
    }

    static func path(_ element: XMLElement, _ what: String) throws(LivemigError) -> String {
        try DomainDecoder.word(element) { text throws(LivemigError) in
            try VMDefinitionRules.checkPath(text, what)
            return text
        }
    }

    private static func disk(_ disk: XMLElement) throws(LivemigError) -> VMDefinition.Disk {
        try disk.allow(
            attributes: ["type", "device"], children: ["driver", "source", "target", "readonly"])
        _ = try disk.required("type")
        try disk.expect("type", in: ["file"])
        try disk.expect("device", in: ["disk"])
        let driver = try disk.one("driver")
        try driver.allow(attributes: ["name", "type", "cache"])
        try driver.expect("name", in: ["qemu"])
        _ = try driver.required("type")
        let format = try driver.choice("type", as: VMDefinition.Disk.Format.self)
        let cache = try driver.choice("cache", as: VMDefinition.Disk.Cache.self)
        let source = try disk.one("source")
        try source.allow(attributes: ["file"])
        let file = try source.required("file")
        let target = try disk.one("target")
        try target.allow(attributes: ["dev", "bus"])
        let name = try target.required("dev")
        try target.expect("bus", in: ["virtio"])
        do {
            try VMDefinitionRules.checkPath(file, "disk")
        } catch {
            throw error.inDocument(at: source.location(ofAttribute: "file"))
        }
        do {
            try VMDefinitionRules.checkTarget(name)
        } catch {
            throw error.inDocument(at: target.location(ofAttribute: "dev"))
        }
        // libvirt takes the bus from the target's prefix where it is not written.
        guard target.attribute("bus") != nil || name.hasPrefix("vd") else {
            throw target.error(.xmlSchema, "attribute bus is missing in <target>")
        }
        let readOnly = try disk.only("readonly")
        try readOnly?.allow()
        return VMDefinition.Disk(
            path: file, format: format ?? .raw, cache: cache, target: name,
            readOnly: readOnly != nil)
    }

    private static func randomSource(_ rng: XMLElement?) throws(LivemigError) -> String? {
        guard let rng else { return nil }
        try rng.allow(attributes: ["model"], children: ["backend"])
        _ = try rng.required("model")
        try rng.expect("model", in: ["virtio"])
        let backend = try rng.one("backend")
        try backend.allow(attributes: ["model"], text: true)
        _ = try backend.required("model")
        try backend.expect("model", in: ["random"])
        return try DomainDecoder.word(backend, attributes: ["model"]) { text throws(LivemigError) in
            try VMDefinitionRules.checkPath(text, "random source")
            return text
        }
    }
}
