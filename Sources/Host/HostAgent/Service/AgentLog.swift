import Glibc
import LinuxSystem
import MigrationModel

/// The host's log, as agents write to it that are no guardians.
struct AgentLog: Sendable {
    let root: HostRoot

    /// The length at which the log takes no more of these lines, so that a peer cannot fill the
    /// disk.
    static let limit: off_t = 16 << 20

    /// Adds a line; what it tells stands, whether or not it can be logged.
    func warn(_ line: String, by part: String) {
        guard
            let file = try? PrivateFile.open(
                root.log, O_WRONLY | O_CREAT | O_APPEND, exposure: .readable, as: .root),
            lseek(file.number, 0, SEEK_END) < Self.limit
        else { return }
        let entry = "\(Self.now) warning \(part) : \(line)\n"
        try? DescriptorIO.write(Array(entry.utf8), to: file.number)
    }

    /// Such as `2026-11-23T22:05:09+0000`, as guardians write it.
    private static var now: String {
        var seconds = time(nil)
        var parts = unsafe tm()
        unsafe localtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let count = unsafe strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S%z", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
