import Glibc
import LinuxSystem

/// A process of `livemig` that makes a move, named so that no other is taken for it.
///
/// Numbers of processes are given again, within a boot by start time and between boots by the
/// boot's number: all three together name one process for good (proc(5)).
public struct ControllerProcess: Hashable, Sendable {
    /// The number of the process.
    public var id: Int32
    /// When it was started, in clock ticks since the boot; 0 where that could not be read.
    public var startTicks: Int64
    /// The random number of the machine's boot.
    public var boot: String

    /// Names a process.
    public init(id: Int32, startTicks: Int64, boot: String) {
        self.id = id
        self.startTicks = startTicks
        self.boot = boot
    }

    /// This process.
    public static var current: ControllerProcess {
        ControllerProcess(
            id: getpid(), startTicks: ProcessStatus(of: getpid())?.startTicks ?? 0,
            boot: currentBoot)
    }

    /// Whether the process still runs, on this machine.
    public var isAlive: Bool {
        guard boot == Self.currentBoot, id > 0 else { return false }
        guard kill(id, 0) == 0 || errno == EPERM else { return false }
        guard let status = ProcessStatus(of: id), startTicks != 0 else { return true }
        return status.startTicks == startTicks && !status.hasEnded
    }

    private static var currentBoot: String {
        String(ProcessStatus.text("/proc/sys/kernel/random/boot_id").prefix { $0 != "\n" })
    }
}

/// What proc(5) says in `/proc/PID/stat`.
private struct ProcessStatus {
    let startTicks: Int64
    /// Whether it is only there until its parent asks how it ended.
    let hasEnded: Bool

    init?(of process: Int32) {
        let text = Self.text("/proc/\(process)/stat")
        // The name, in parentheses, may hold anything; field 3 follows it.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let ticks = Int64(fields[19]) else { return nil }
        startTicks = ticks
        hasEnded = fields[0] == "Z" || fields[0] == "X"
    }

    static func text(_ path: String) -> String {
        guard let file = try? OwnedDescriptor.open(path, O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 4096, from: file.number)
        else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
