import MigrationModel
import XMLDocuments

/// Counts the serial ports that `serial` and `console` elements describe.
///
/// A console of target type serial is serial port 0 once more, as libvirt dumps it; where it stands
/// alone it is the port. livemig connects every port itself, so an element that says where a port's
/// output goes (`source`, `log`) is refused.
enum SerialDecoder {
    private static let types = ["pty", "unix", "file"]

    static func ports(_ devices: XMLElement) throws(LivemigError) -> Int {
        let ports = devices.children.filter { $0.name == "serial" }
        for (index, port) in ports.enumerated() {
            try check(port, targets: ["isa-serial"], index: index, model: "isa-serial")
            do {
                try VMDefinitionRules.checkSerialPorts(index + 1)
            } catch {
                throw error.inDocument(at: port.location)
            }
        }
        guard let console = try devices.only("console") else { return ports.count }
        try check(console, targets: ["serial"], index: 0, model: nil)
        return max(ports.count, 1)
    }

    private static func check(
        _ element: XMLElement, targets: [String], index: Int, model: String?
    ) throws(LivemigError) {
        try element.allow(attributes: ["type"], children: ["target"])
        _ = try element.required("type")
        try element.expect("type", in: types)
        guard let target = try element.only("target") else { return }
        try target.allow(
            attributes: ["type", "port"], children: model == nil ? [] : ["model"])
        if let type = target.attribute("type"), !targets.contains(type) {
            throw target.error(
                .device, "\(element.name) of target type \(type.escaped()) cannot be migrated",
                attribute: "type", fix: "supported: \(targets.joined(separator: " "))")
        }
        try target.expect("port", in: [String(index)])
        if let model, let element = try target.only("model") {
            try element.allow(attributes: ["name"])
            _ = try element.required("name")
            try element.expect("name", in: [model])
        }
    }
}
