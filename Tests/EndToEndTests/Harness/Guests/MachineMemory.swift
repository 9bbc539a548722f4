import TestSupport

/// The memory of this machine, in MiB (proc(5)).
enum Memory {
    /// All of it.
    static var totalMebibytes: Int { value("MemTotal") }

    /// What can be had of it.
    static var availableMebibytes: Int { value("MemAvailable") }

    private static func value(_ name: String) -> Int {
        let lines = ProcessFiles.text("/proc/meminfo").split(separator: "\n")
        let line = lines.first { $0.hasPrefix(name + ":") } ?? ""
        return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
    }
}
