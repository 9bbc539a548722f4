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
        "The VMs, each NAME or HOST/NAME; - reads them from standard input, the first word of each line; # begins a comment."

    /// The VMs, where `-` stands for those on standard input.
    /// - Returns: the VMs; none where standard input names none.
    /// - Throws: `E-VMNAME` and `E-HOSTNAME` for what is no name, `E-USAGE` for one that is named
    ///   twice.
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
    ///
    /// A signal gives up what is being done, and nothing further is begun.
    /// - Returns: the worst exit code.
    /// - Throws: as `references`, before anything is done.
    static func each(
        _ texts: [String], _ context: CommandContext,
        _ body: @escaping @Sendable (VMReference) async throws(LivemigError) -> ExitCode
    ) async throws(LivemigError) -> ExitCode {
        let vms = try await references(texts)
        guard !vms.isEmpty else { return context.nothingToDo() }
        try Interrupts.catchSignals()
        var codes: [ExitCode] = []
        for vm in vms {
            guard !Interrupts.haveCome else {
                context.report(Interrupts.notBegun(vm.description), vm: vm.name)
                codes.append(.cancelled)
                continue
            }
            let result = await Interrupts.cancelling {
                await Result.of { () async throws(LivemigError) in try await body(vm) }
            }
            switch result {
            case .success(let code): codes.append(code)
            case .failure(let error):
                let error = Interrupts.haveCome ? Interrupts.givenUp(vm.description) : error
                context.report(error, vm: vm.name)
                codes.append(error.code.exitCode)
            }
        }
        return .worst(of: codes)
    }

    /// The first word of every line of standard input that is not empty.
    private static func fromInput() async throws(LivemigError) -> [String] {
        let bytes = try await BlockingWork.run("names") { () throws(LivemigError) in
            try StandardInput.read(atMost: inputLimit)
        }
        return names(in: String(decoding: bytes, as: UTF8.self))
    }

    /// The first word of every line that has one and is no comment.
    ///
    /// Lists come from editors and spreadsheets: with a byte-order mark, and with line ends of two
    /// characters.
    static func names(in text: String) -> [String] {
        let mark: Unicode.Scalar = "\u{FEFF}"
        let isMarked = text.unicodeScalars.first == mark
        let scalars = text.unicodeScalars.dropFirst(isMarked ? 1 : 0)
        return String(scalars).split(whereSeparator: \.isNewline).compactMap { line in
            let word = line.split(whereSeparator: \.isWhitespace).first
            return word.flatMap { $0.hasPrefix("#") ? nil : String($0) }
        }
    }
}

/// What somebody gives a command on its standard input.
enum StandardInput {
    /// Reads to the end; blocks meanwhile.
    /// - Throws: `E-USAGE` for more than `limit` bytes, `E-IO`.
    static func read(atMost limit: Int) throws(LivemigError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(LivemigError) in
                try unsafe DescriptorIO.readFully(into: buffer, from: STDIN_FILENO)
            }
        }
        let count = try result.get()
        guard count <= limit else {
            throw LivemigError(.usage, "more than \(ByteCount(UInt64(limit))) on standard input")
        }
        return Array(bytes.prefix(count))
    }
}
