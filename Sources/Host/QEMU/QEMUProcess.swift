import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import SystemPackage

/// A running QEMU: its process, how it ended, and what it printed.
final class QEMUProcess {
    private let process: HypervisorProcess
    private let log: OwnedDescriptor
    private let logStart: off_t
    private let folder: MachineFolder
    private let name: String
    /// What QEMU calls files that it is handed, and their paths.
    private let fileNames: [String: String]

    /// How much of the log's end is looked at, in bytes.
    private static let tailSize = 4096
    /// How many messages a failure quotes: the reason comes first, what it led to last.
    private static let messagesShown = 4

    /// Starts QEMU with its output in the log of the folder.
    ///
    /// - Parameters:
    ///   - program: QEMU's program file.
    ///   - fileNames: what QEMU calls files that it is handed, and their paths.
    ///   - arguments: its arguments.
    ///   - environment: its whole environment.
    ///   - descriptors: those from 3 on, by the number in QEMU.
    ///   - user: whom it runs as; `nil` for this process's own user.
    ///   - devices: device files that it opens itself.
    ///   - folder: where sockets and logs go.
    /// - Throws: `E-QEMU` when the program cannot be started.
    init(
        _ program: String, named fileNames: [String: String], _ arguments: [String],
        environment: [String: String],
        descriptors: [CInt: CInt], as user: HypervisorUser?, devices: [String],
        folder: MachineFolder
    ) throws(LivemigError) {
        log = try PrivateFile.open(
            folder.hypervisorLog, O_RDWR | O_CREAT | O_APPEND, exposure: .readable, as: .io)
        let number = log.number
        logStart = try SystemCall.check("lseek", at: folder.hypervisorLog) {
            lseek(number, 0, SEEK_END)
        }
        var command = ChildProcess.Command(program, arguments, environment: environment)
        if let user {
            command = user.command(
                program, arguments, environment: environment, devices: devices)
        }
        command.descriptors = descriptors.merging([1: number, 2: number]) { $1 }
        process = try folder.startHypervisor(command, as: .qemu)
        self.folder = folder
        self.fileNames = fileNames
        name = Self.name(of: program)
    }

    /// Takes over a QEMU whose guardian has died.
    ///
    /// - Parameters:
    ///   - process: the running QEMU.
    ///   - program: its program file, by whose name its own messages are known.
    ///   - folder: where its sockets and logs are.
    init(
        adopting process: HypervisorProcess, program: String, folder: MachineFolder
    ) throws(LivemigError) {
        log = try .open(folder.hypervisorLog, O_RDWR | O_CREAT | O_APPEND, as: .io)
        let number = log.number
        // What stands there already may be of an earlier run, and is told by nobody any more.
        logStart = try SystemCall.check("lseek", at: folder.hypervisorLog) {
            lseek(number, 0, SEEK_END)
        }
        self.process = process
        self.folder = folder
        fileNames = [:]
        name = Self.name(of: program)
    }

    private static func name(of program: String) -> String {
        program.split(separator: "/").last.map(String.init) ?? program
    }

    var id: Int32 { process.id }

    /// Polls readable once the process has ended.
    var handle: CInt { process.handle }

    /// How the process ended, once it has.
    func ending() -> HypervisorProcess.Ending? { process.poll() }

    /// Whether the kernel has killed the process for want of memory.
    var wasKilledForMemory: Bool { process.wasKilledForMemory }

    /// Waits for the end, at most for a time; how it ended if it did.
    func awaitEnd(_ timeout: Duration) -> HypervisorProcess.Ending? { process.awaitEnd(timeout) }

    /// Whether QEMU listens at the other end of a connection.
    func isPeer(of socket: CInt) -> Bool { process.isPeer(of: socket) }

    /// Ends the process at once, reaps it, and removes its sockets.
    func kill() {
        process.kill()
        folder.removeHypervisorSockets()
    }

    /// The last message printed since the start, escaped; empty when nothing was printed.
    var lastWords: String { messages.last?.escaped() ?? "" }

    /// How the process ended and what it said, as one clause; `nil` while it runs.
    var obituary: String? {
        guard let ending = ending() else { return nil }
        guard !wasKilledForMemory else { return LivemigError.killedForMemory.what }
        let said = messages.suffix(Self.messagesShown).map { $0.escaped() }
        let words = said.isEmpty ? "without a word" : "saying \(said.joined(separator: ", "))"
        switch ending {
        case .status(let status): return "QEMU ended with status \(status), \(words)"
        case .unknown: return "QEMU ended, \(words)"
        }
    }

    /// The messages at the end of the log.
    ///
    /// QEMU's own start with its name (util/error-report.c), hints that follow a message do not.
    /// Where there is no message of its own, every line counts as one.
    private var messages: [String] {
        let text = fileNames.reduce(tail) { $0.replacing($1.key, with: $1.value) }
        let lines = text.split(separator: "\n").map(String.init)
        let own = lines.filter { $0.hasPrefix(name + ":") }
        return own.isEmpty ? lines : own.map { String($0.dropFirst(name.utf8.count + 2)) }
    }

    /// The end of what was printed since the start.
    private var tail: String {
        let number = log.number
        let end = lseek(number, 0, SEEK_END)
        // A log that was cut down meanwhile ends before it began.
        let start = max(end < logStart ? 0 : logStart, end - off_t(Self.tailSize))
        guard end > start else { return "" }
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(end - start)) { buffer, count in
            unsafe count = max(0, pread(number, buffer.baseAddress, buffer.count, start))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
