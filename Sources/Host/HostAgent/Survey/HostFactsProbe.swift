import Glibc
import GuestMemory
import LinuxSystem
import MigrationModel
import SSHTransport
import WireProtocol

/// Finds out what a host is and can.
struct HostFactsProbe: Sendable {
    let environment: AgentEnvironment

    /// Asks the system.
    func facts() -> HostFacts {
        let tracking = TrackingSupport.ofThisProcess
        let memory = HostMemory(root: environment.root)
        let system = Self.platform()
        let hypervisor: String
        do throws(LivemigError) {
            hypervisor = try environment.qemuVersion()
        } catch {
            hypervisor = error.explanation
        }
        let installation = Self.installation(root: environment.root.path)
        return HostFacts(
            identity: environment.root.identity
                ?? "\(installation.machineID):\(environment.root.path)",
            installation: installation,
            kernel: system.release, agentVersion: Banner.currentProgram,
            architecture: system.machine,
            processors: sysconf(CInt(_SC_NPROCESSORS_ONLN)), memoryTotal: memory.now.total,
            memoryAvailable: memory.free, hugePages: HugePagesProbe.read(),
            tracking: tracking.description,
            canTrack: tracking.isComplete, hypervisor: hypervisor,
            hasKVM: unsafe access("/dev/kvm", R_OK | W_OK) == 0, cpu: Self.cpu(),
            clock: Self.clock(),
            laneKeys: (try? PeerKeys(root: environment.root).presentKeys())?.map(\.fingerprint)
                ?? [])
    }

    /// The first processor's entry in proc(5), `cpuinfo`; on ARM features have another name.
    private static func cpu() -> HostFacts.CPU {
        var values: [Substring: String] = [:]
        for line in SmallFile.read("/proc/cpuinfo").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let name = parts[0].split(separator: "\t").first,
                values[name] == nil
            else { continue }
            values[name] = parts[1].drop { $0 == " " }.description
        }
        let features = (values["flags"] ?? values["Features"] ?? "").split(separator: " ")
        return HostFacts.CPU(
            vendor: values["vendor_id"] ?? values["CPU implementer"] ?? "",
            model: values["model name"] ?? values["CPU part"] ?? "",
            features: Set(features.prefix(WireLimits.features).map(String.init)))
    }

    /// Milliseconds since 1970 by the wall clock.
    private static func clock() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }

    /// The kernel's release and the architecture, as `uname -r` and `uname -m` print them.
    static func platform() -> (release: String, machine: String) {
        var system = utsname()
        _ = unsafe uname(&system)
        return (text(of: &system.release), text(of: &system.machine))
    }

    /// All memory, and what can be had of it without swapping (proc(5), `MemAvailable`).
    static func memory() -> (total: ByteCount, available: ByteCount) {
        let lines = SmallFile.read("/proc/meminfo").split(separator: "\n")
        func value(_ name: String) -> ByteCount {
            let line = lines.first { $0.hasPrefix(name + ":") } ?? ""
            let number = line.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
            return ByteCount((number ?? 0) << 10)
        }
        return (value("MemTotal"), value("MemAvailable"))
    }

    /// The system that the root is on.
    private static func installation(root: String) -> HostFacts.Installation {
        var status = stat()
        _ = unsafe stat(root, &status)
        return HostFacts.Installation(
            machineID: SmallFile.line("/etc/machine-id"),
            boot: SmallFile.line("/proc/sys/kernel/random/boot_id"),
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    private static func text<Field>(of field: inout Field) -> String {
        unsafe withUnsafeBytes(of: &field) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

/// Files of the kernel and of ourselves that are small and may be missing.
enum SmallFile {
    /// The first line of a file, at most 64 bytes of it; empty when it cannot be read.
    static func line(_ path: String) -> String {
        String(
            decoding: read(path).utf8.prefix { $0 != UInt8(ascii: "\n") }.prefix(64), as: UTF8.self)
    }

    /// The text of a file, at most 64 KiB; empty when it cannot be read.
    static func read(_ path: String) -> String {
        guard let file = try? OwnedDescriptor.open(path, O_RDONLY) else { return "" }
        let bytes = (try? DescriptorIO.readFully(upTo: 64 << 10, from: file.number)) ?? []
        return String(decoding: bytes, as: UTF8.self)
    }
}
