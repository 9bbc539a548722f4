import Foundation
import MigrationModel
import TestSupport

/// What the `ssh` command carries to the same server with the same cipher: the yardstick for a lane.
///
/// 1000 MiB from a file in memory to `cat >/dev/null`, without the time to log in.
struct BareSSH {
    private static let mebibytes = 1000
    private let server: SSHServerFixture
    private let file: String

    init(_ server: SSHServerFixture) throws {
        self.server = server
        file = "/dev/shm/livemig-benchmark.\(ProcessInfo.processInfo.processIdentifier)"
        _ = FileManager.default.createFile(atPath: file, contents: nil)
        let content = Data((0..<1 << 20).map { _ in UInt8.random(in: 0...255) })
        let output = try FileHandle(forWritingTo: URL(filePath: file))
        for _ in 0..<Self.mebibytes { try output.write(contentsOf: content) }
        try output.close()
    }

    /// Frees the memory.
    func remove() { try? FileManager.default.removeItem(atPath: file) }

    /// Carries the file once; returns MB/s.
    func run() throws -> Double {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/ssh")
        process.arguments =
            ["-F", "none", "-i", server.clientKey, "-p", String(server.port)]
            + [
                "Ciphers=aes128-gcm@openssh.com", "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
            ].flatMap { ["-o", $0] }
            + ["\(server.user)@127.0.0.1", "echo ready; exec cat >/dev/null"]
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: file))
        process.standardOutput = output
        try process.run()
        guard output.fileHandleForReading.availableData.starts(with: Data("ready".utf8)) else {
            throw LivemigError(.internal, "ssh did not start its command")
        }
        let start = ContinuousClock.now
        process.waitUntilExit()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        return Double(Self.mebibytes << 20) / 1e6 / seconds
    }
}
