import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import SystemPackage

/// A running QEMU: its process, how it ended, and what it printed.
final class QEMUProcess {
    private let child: ChildProcess
    private let log: OwnedDescriptor
    private let logStart: off_t
    private let folder: MachineFolder
    private let name: String
    private var status: Int32?

    /// How much of the log's end is looked at, in bytes.
    private static let tailSize = 4096
    /// How many messages a failure quotes: the reason comes first, what it led to last.
    private static let messagesShown = 4

    /// Starts QEMU with its output in the log of the folder.
    ///
    /// - Parameters:
    ///   - command: program, arguments, environment and descriptors from 3 on.
    ///   - folder: where sockets and logs go.
    /// - Throws: `E-QEMU` when the program cannot be started.
    init(_ command: ChildProcess.Command, folder: MachineFolder) throws(LivemigError) {
        log = try PrivateFile.open(
            folder.hypervisorLog, O_RDWR | O_CREAT | O_APPEND, exposure: .readable, as: .io)
        let number = log.number
        logStart = try SystemCall.check("lseek", at: folder.hypervisorLog) {
            lseek(number, 0, SEEK_END)
        }
        var command = command
        command.descriptors[1] = number
        command.descriptors[2] = number
        child = try ChildProcess(command, as: .qemu)
        self.folder = folder
        name = command.program.split(separator: "/").last.map(String.init) ?? command.program
    }

    var id: Int32 { child.id }

    /// Polls readable once the process has ended.
    var handle: CInt { child.handle.number }

    /// The exit code, or 128 + signal number, once the process has ended.
    func exitStatus() -> Int32? {
        if status == nil { status = child.poll() }
        return status
    }

    /// Waits for the end, at most for a time; the exit status if it came.
    func awaitEnd(_ timeout: Duration) -> Int32? {
        if let status = exitStatus() { return status }
        _ = try? Poll.wait([.init(handle)], timeout: timeout)
        return exitStatus()
    }

    /// Ends the process at once, reaps it, and removes its sockets.
    func kill() {
        if exitStatus() == nil {
            child.signal(SIGKILL)
            status = child.wait()
        }
        let sockets =
            [folder.monitorSocket, folder.memorySocket, folder.consoleSocket]
            + (1..<QEMUArguments.serialPortLimit).map(folder.serialSocket)
        for socket in sockets { _ = unsafe unlink(socket) }
    }

    /// The last message printed since the start, escaped; empty when nothing was printed.
    var lastWords: String { messages.last?.escaped() ?? "" }

    /// How the process ended and what it said, as one clause; `nil` while it runs.
    var obituary: String? {
        guard let status = exitStatus() else { return nil }
        let said = messages.suffix(Self.messagesShown).map { $0.escaped() }
        let words = said.isEmpty ? "without a word" : "saying \(said.joined(separator: ", "))"
        return "QEMU ended with status \(status), \(words)"
    }

    /// The messages at the end of the log.
    ///
    /// QEMU's own start with its name (util/error-report.c), hints that follow a message do not.
    /// Where there is no message of its own, every line counts as one.
    private var messages: [String] {
        let lines = tail.split(separator: "\n").map(String.init)
        let own = lines.filter { $0.hasPrefix(name + ":") }
        return own.isEmpty ? lines : own.map { String($0.dropFirst(name.utf8.count + 2)) }
    }

    /// The end of what was printed since the start.
    private var tail: String {
        let number = log.number
        let end = lseek(number, 0, SEEK_END)
        let start = max(logStart, end - off_t(Self.tailSize))
        guard end > start else { return "" }
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(end - start)) { buffer, count in
            unsafe count = max(0, pread(number, buffer.baseAddress, buffer.count, start))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
