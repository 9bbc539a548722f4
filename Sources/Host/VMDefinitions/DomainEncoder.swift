import MigrationModel
import XMLDocuments

/// Writes a definition that has passed `VMDefinitionRules.check`.
enum DomainEncoder {
    static func element(_ definition: VMDefinition) -> XMLContent {
        var children = [
            XMLContent("name", text: definition.name.text),
            XMLContent("uuid", text: definition.uuid.description),
        ]
        if let metadata = GuestPolicyCoding.metadata(definition.policy) {
            children.append(metadata)
        }
        children += [
            XMLContent("memory", ["unit": "KiB"], text: String(definition.memory.bytes >> 10)),
            XMLContent("vcpu", text: String(definition.vcpus)),
        ]
        if let model = definition.cpuModel { children.append(cpu(model)) }
        children.append(os(definition.boot))
        children.append(XMLContent("devices", children: devices(definition)))
        return XMLContent("domain", ["type": definition.kind.rawValue], children: children)
    }

    private static func cpu(_ model: String) -> XMLContent {
        switch model {
        case "host": XMLContent("cpu", ["mode": "host-passthrough"])
        case "max": XMLContent("cpu", ["mode": "maximum"])
        default:
            XMLContent("cpu", ["mode": "custom"], children: [XMLContent("model", text: model)])
        }
    }

    private static func os(_ boot: VMDefinition.Boot) -> XMLContent {
        let type = XMLContent(
            "type", ["arch": boot.architecture, "machine": boot.machine], text: "hvm")
        let texts = [
            ("loader", boot.loader), ("kernel", boot.kernel), ("initrd", boot.initrd),
            ("cmdline", boot.commandLine),
        ]
        let loaded = texts.compactMap { name, text in text.map { XMLContent(name, text: $0) } }
        let order = boot.devices.map { XMLContent("boot", ["dev": $0]) }
        return XMLContent("os", children: [type] + loaded + order)
    }

    private static func devices(_ definition: VMDefinition) -> [XMLContent] {
        var result: [XMLContent] = []
        if let emulator = definition.emulator {
            result.append(XMLContent("emulator", text: emulator))
        }
        result += definition.disks.map(disk) + definition.interfaces.map(interface)
        for port in 0..<definition.serialPorts {
            let target = XMLContent("target", ["port": String(port)])
            result.append(XMLContent("serial", ["type": "pty"], children: [target]))
        }
        if let source = definition.randomSource {
            let backend = XMLContent("backend", ["model": "random"], text: source)
            result.append(XMLContent("rng", ["model": "virtio"], children: [backend]))
        }
        return result
    }

    private static func disk(_ disk: VMDefinition.Disk) -> XMLContent {
        let driver = XMLContent(
            "driver",
            ["name": "qemu", "type": disk.format.rawValue, "cache": disk.cache?.rawValue])
        var children = [
            driver, XMLContent("source", ["file": disk.path]),
            XMLContent("target", ["dev": disk.target, "bus": "virtio"]),
        ]
        if disk.readOnly { children.append(XMLContent("readonly")) }
        return XMLContent("disk", ["type": "file", "device": "disk"], children: children)
    }

    private static func interface(_ interface: VMDefinition.Interface) -> XMLContent {
        let mac = XMLContent("mac", ["address": interface.mac])
        let model = XMLContent("model", ["type": "virtio"])
        switch interface.attachment {
        case .bridge(let name):
            let source = XMLContent("source", ["bridge": name])
            return XMLContent("interface", ["type": "bridge"], children: [mac, source, model])
        case .user:
            return XMLContent("interface", ["type": "user"], children: [mac, model])
        }
    }
}
