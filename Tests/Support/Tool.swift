import Glibc
import LinuxSystem
public import MigrationModel

/// Programs of the distribution that tests work with.
public enum Tool {
    private static let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    /// The most output that is kept, in bytes.
    private static let outputLimit = 4 << 20

    /// The file of a program.
    /// - Throws: `E-FILE` naming the package to install.
    public static func path(_ name: String, package: String) throws(LivemigError) -> String {
        for folder in folders {
            let path = "\(folder)/\(name)"
            if unsafe access(path, X_OK) == 0 { return path }
        }
        throw LivemigError(.file, "\(name) is missing", fix: "apt-get install \(package)")
    }

    /// Runs a program to its end.
    /// - Returns: its exit status, and what it printed on both outputs.
    public static func outcome(
        _ program: String, _ arguments: [String]
    ) throws(LivemigError) -> (status: Int32, output: String) {
        let (reader, writer) = try OwnedDescriptor.pipe().release()
        let reading = OwnedDescriptor(owning: reader)
        let writing = OwnedDescriptor(owning: writer)
        let process = try ChildProcess(
            .init(
                program, arguments, environment: ["PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C"],
                descriptors: [1: writing.number, 2: writing.number]))
        _ = consume writing
        let bytes = try DescriptorIO.readFully(upTo: outputLimit, from: reading.number)
        return (process.wait(), String(decoding: bytes, as: UTF8.self))
    }

    /// Runs a program that must succeed.
    /// - Returns: what it printed.
    /// - Throws: `E-IO` with what it printed when it fails.
    @discardableResult
    public static func run(
        _ name: String, package: String, _ arguments: [String]
    ) throws(LivemigError) -> String {
        let (status, output) = try outcome(path(name, package: package), arguments)
        guard status == 0 else {
            throw LivemigError(
                .io, "\(name) ended with status \(status): \(output.escaped())",
                at: arguments.joined(separator: " "))
        }
        return output
    }
}
