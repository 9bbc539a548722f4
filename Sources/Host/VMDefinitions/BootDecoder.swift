import MigrationModel
import XMLDocuments

/// Reads the `os` element.
enum BootDecoder {
    static func boot(
        _ os: XMLElement?, of kind: VMDefinition.Kind
    ) throws(LivemigError) -> VMDefinition.Boot {
        var boot = VMDefinition.Boot()
        guard let os else { return boot }
        try os.allow(children: ["type", "kernel", "initrd", "cmdline", "loader", "boot"])
        try readType(os.one("type"), into: &boot)
        boot.kernel = try path(os, "kernel")
        boot.initrd = try path(os, "initrd")
        boot.loader = try path(os, "loader")
        if let element = try os.only("cmdline") {
            boot.commandLine = try DomainDecoder.word(element) { text throws(LivemigError) in
                try VMDefinitionRules.checkCommandLine(text)
                return text
            }
        }
        for element in os.children where element.name == "boot" {
            try element.allow(attributes: ["dev"])
            boot.devices.append(try element.required("dev"))
            try check(boot, of: kind, at: element.location(ofAttribute: "dev"))
        }
        try check(boot, of: kind, at: os.location)
        return boot
    }

    private static func check(
        _ boot: VMDefinition.Boot, of kind: VMDefinition.Kind, at location: String
    ) throws(LivemigError) {
        do {
            try VMDefinitionRules.check(boot, of: kind)
        } catch {
            throw error.inDocument(at: location)
        }
    }

    private static func readType(
        _ type: XMLElement, into boot: inout VMDefinition.Boot
    ) throws(LivemigError) {
        try type.allow(attributes: ["arch", "machine"], text: true)
        guard type.trimmedText == "hvm" else {
            throw type.error(
                .xmlUnsupported, "os type \(type.trimmedText.escaped()) is not supported",
                fix: "supported: hvm")
        }
        boot.architecture = type.attribute("arch") ?? boot.architecture
        boot.machine = type.attribute("machine") ?? boot.machine
        do {
            try VMDefinitionRules.checkWord(boot.architecture, "architecture")
        } catch {
            throw error.inDocument(at: type.location(ofAttribute: "arch"))
        }
        do {
            try VMDefinitionRules.checkWord(boot.machine, "machine type")
        } catch {
            throw error.inDocument(at: type.location(ofAttribute: "machine"))
        }
    }

    private static func path(_ os: XMLElement, _ name: String) throws(LivemigError) -> String? {
        guard let element = try os.only(name) else { return nil }
        return try DomainDecoder.word(element) { text throws(LivemigError) in
            try VMDefinitionRules.checkPath(text, name)
            return text
        }
    }
}
