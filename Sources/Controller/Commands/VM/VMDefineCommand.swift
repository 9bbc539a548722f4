import ArgumentParser
import MigrationModel
import Orchestrator
import VMDefinitions

/// `livemig vm define`.
struct VMDefineCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "define", abstract: "Give a VM to a host.",
        usage: "livemig vm define <file> --on <host> [<options>]",
        discussion: """
            FILE is a libvirt domain document; what livemig does not support in it is an
            error with its line, never ignored. A definition without <uuid> gets one. - reads
            it from standard input.

            All hosts of the inventory are asked first: no two VMs may have one UUID or MAC
            address, wherever they are.

            Example:
              livemig vm define web1.xml --on alpha
              virsh dumpxml --inactive web1 | livemig vm define - --on alpha
            """)

    @Argument(help: ArgumentHelp("The definition; - is standard input.", valueName: "file"))
    var file: String

    @Option(help: ArgumentHelp("The host.", valueName: "host"))
    var on: String

    @OptionGroup var unasked: UnaskedOption

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let control = try context.control()
        let host = try control.directory.host(HostName(on))
        let file = file
        let unasked = try unasked.names()
        let (document, subject) = try await BlockingWork.run("definition") {
            () throws(LivemigError) in
            let definition =
                file == "-"
                ? try VMDefinitionDocument.decode(
                    bytes: StandardInput.read(atMost: VMDefinitionDocument.byteLimit),
                    name: "standard input", generatedUUID: .random())
                : try VMDefinitionDocument.read(path: file, generatedUUID: .random())
            return (try VMDefinitionDocument.encode(definition), Claims.Subject(definition))
        }
        let (machine, notes) = try await control.define(
            document, subject, on: host, unasked: unasked)
        context.tell(notes)
        context.show(
            text: ["defined VM \(machine.summary.name) on \(host.name)"],
            json: MachineDocument(machine))
        return .success
    }
}
