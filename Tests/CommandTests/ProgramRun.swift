import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage
import TestSupport

/// What a run of the built `livemig` did.
struct ProgramRun {
    let output: String
    let errors: String
    let status: Int32

    /// Runs the program that lies beside the test bundle, with nothing but the given environment.
    ///
    /// - Parameter stream: the file that is its standard output in the place of one that is read.
    init(
        _ arguments: [String], in folder: ScratchFolder, environment: [String: String] = [:],
        input: String = "", to stream: String? = nil, _ streamFlags: CInt = 0
    ) throws(LivemigError) {
        let name = UInt64.random(in: .min ... .max).hexadecimal
        try folder.write(input, to: "\(name).in")
        let stdin = try OwnedDescriptor.open(folder.path("\(name).in"), O_RDONLY)
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        let stdout = try OwnedDescriptor.open(
            stream ?? folder.path("\(name).out"), stream == nil ? flags : O_WRONLY | streamFlags)
        let stderr = try OwnedDescriptor.open(folder.path("\(name).err"), flags)
        var variables = ["HOME": folder.path, "PATH": "/usr/bin:/bin"]
        variables.merge(environment) { $1 }
        let process = try ChildProcess(
            .init(
                try Self.program(), arguments, environment: variables,
                descriptors: [0: stdin.number, 1: stdout.number, 2: stderr.number]))
        let ready = try Poll.wait([.init(process.handle.number)], timeout: .seconds(60))
        if ready.isEmpty { process.signal(SIGKILL) }
        status = process.wait()
        output = stream == nil ? folder.read("\(name).out") : ""
        errors = folder.read("\(name).err")
    }

    private static func program() throws(LivemigError) -> String {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = try SystemCall.check("readlink") {
            unsafe readlink("/proc/self/exe", &bytes, bytes.count)
        }
        let path = String(
            decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        let program = "/\(folder)/livemig"
        guard unsafe access(program, X_OK) == 0 else {
            throw LivemigError(.file, "livemig is not built", at: program)
        }
        return program
    }
}
