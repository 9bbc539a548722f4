import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator

/// VMs as a command line names them.
enum VMNames {
    /// The most bytes of names on standard input.
    private static let inputLimit = 1 << 20

    /// What help says of them.
    static let help =
        "The VMs, each NAME or HOST/NAME; - reads them from standard input, the first word of each line."

    /// The VMs, where `-` stands for those on standard input.
    /// - Throws: `E-VMNAME` and `E-HOSTNAME` for what is no name, `E-USAGE` for one that is named
    ///   twice and for input without any.
    static func references(_ texts: [String]) async throws(LivemigError) -> [VMReference] {
        var names: [String] = []
        for text in texts { names += text == "-" ? try await fromInput() : [text] }
        var seen: Set<VMReference> = []
        return try names.map { name throws(LivemigError) in
            let vm = try VMReference(parsing: name)
            guard seen.insert(vm).inserted else {
                throw LivemigError(.usage, "VM \(vm) is named twice")
            }
            return vm
        }
    }

    /// Does something with each VM, one after the other; an error leaves the others alone.
    /// - Returns: the worst exit code.
    /// - Throws: as `references`, before anything is done.
    static func each(
        _ texts: [String], _ context: CommandContext,
        _ body: (VMReference) async throws(LivemigError) -> ExitCode
    ) async throws(LivemigError) -> ExitCode {
        var codes: [ExitCode] = []
        for vm in try await references(texts) {
            do throws(LivemigError) {
                codes.append(try await body(vm))
            } catch {
                context.report(error)
                codes.append(error.code.exitCode)
            }
        }
        return .worst(of: codes)
    }

    /// The first word of every line of standard input that is not empty.
    private static func fromInput() async throws(LivemigError) -> [String] {
        let text = try await BlockingWork.run("names") { () throws(LivemigError) -> String in
            var bytes = [UInt8](repeating: 0, count: inputLimit + 1)
            let result = unsafe bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(LivemigError) in
                    try unsafe DescriptorIO.readFully(into: buffer, from: STDIN_FILENO)
                }
            }
            let count = try result.get()
            guard count <= inputLimit else {
                throw LivemigError(.usage, "more than 1 MiB of names on standard input")
            }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        let names = text.split(whereSeparator: \.isNewline).compactMap { line in
            line.split(whereSeparator: \.isWhitespace).first.map(String.init)
        }
        guard !names.isEmpty else {
            throw LivemigError(.usage, "no VM is named on standard input")
        }
        return names
    }
}
