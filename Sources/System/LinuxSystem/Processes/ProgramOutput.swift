import Glibc
public import MigrationModel

/// What a program that was run to its end has printed, on standard output and error together.
public struct ProgramOutput: Sendable {
    /// The output.
    public let text: String
    /// The exit code, or 128 + signal number.
    public let status: Int32

    /// The most that is read of an output, in bytes.
    private static let limit = 256 << 10

    /// Runs a program.
    ///
    /// - Parameters:
    ///   - program: the program file.
    ///   - arguments: its arguments; its messages are in the C locale.
    ///   - patience: how long it may be silent, and take to end; it is killed then.
    ///   - code: the kind of error when it cannot be started or does not end.
    /// - Throws: an error that names the program.
    public init(
        of program: String, _ arguments: [String], patience: Duration, as code: ErrorCode = .io
    ) throws(LivemigError) {
        try self.init(
            .init(program, arguments, environment: ["LC_ALL": "C"]), patience: patience, as: code)
    }

    /// Runs a command; its standard output and error are what is read.
    /// - Throws: an error that names the program.
    public init(
        _ command: ChildProcess.Command, patience: Duration, as code: ErrorCode = .io
    ) throws(LivemigError) {
        let pipe = try OwnedDescriptor.pipe()
        var command = command
        command.descriptors = [1: pipe.second.number, 2: pipe.second.number]
        let program = command.program
        let process = try ChildProcess(command, as: code)
        let (reader, writer) = pipe.release()
        let output = OwnedDescriptor(owning: reader)
        _ = close(writer)
        do {
            text = try Self.readAll(output.number, patience, at: program)
        } catch {
            process.end(grace: .zero)
            throw LivemigError(code, error.what, at: program)
        }
        _ = try Poll.wait([.init(process.handle.number)], timeout: patience)
        status = process.poll() ?? process.end(grace: .zero)
    }

    private static func readAll(
        _ descriptor: CInt, _ patience: Duration, at place: String
    ) throws(LivemigError) -> String {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let ready = try Poll.wait([.init(descriptor)], timeout: patience)
            guard !ready.isEmpty else {
                throw LivemigError(.stall, "nothing printed for \(patience.brief)", at: place)
            }
            let part = try DescriptorIO.readAvailable(
                upTo: 16 << 10, from: descriptor, at: place)
            if part.isEmpty { break }
            bytes += part
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
