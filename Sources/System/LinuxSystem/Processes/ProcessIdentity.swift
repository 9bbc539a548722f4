import CLinux
import Glibc
import SystemPackage

/// A process beyond its number, which stands for another one some time after it has ended.
///
/// Written as text it can be asked for by processes that did not start it.
public struct ProcessIdentity: Hashable, Sendable {
    /// The number.
    public let id: Int32
    /// When it started, in clock ticks since boot (proc(5), `/proc/PID/stat`).
    private let start: UInt64
    /// The boot of this machine, and the number space of processes that `id` is in.
    private let world: String

    /// What has become of the process.
    public enum Condition: Hashable, Sendable {
        /// At least one of its threads runs.
        case alive
        /// It has ended.
        case ended
        /// It is in another number space: nothing can be said from here.
        case unknown
    }

    /// The largest text that is read back, in bytes.
    public static let textLimit = 256

    /// Looks at a process; `nil` when there is none of this number.
    public init?(of id: Int32) {
        guard id > 0, let start = Self.start(of: id), let world = Self.world else { return nil }
        self.id = id
        self.start = start
        self.world = world
    }

    /// Reads what `text` wrote; `nil` for anything else.
    public init?(_ text: String) {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, let id = Int32(words[0]), id > 0, let start = UInt64(words[1])
        else { return nil }
        self.id = id
        self.start = start
        world = String(words[2])
    }

    /// One line.
    public var text: String { "\(id) \(start) \(world)\n" }

    /// What has become of the process now.
    public var condition: Condition {
        guard let world = Self.world else { return .unknown }
        guard world == self.world else {
            // Nothing lives through a boot; another number space may be that of a container.
            let isSameBoot = world.prefix { $0 != "/" } == self.world.prefix { $0 != "/" }
            return isSameBoot ? .unknown : .ended
        }
        return open() == nil ? .ended : .alive
    }

    /// Gets hold of the process, so that its number cannot come to mean another one
    /// (pidfd_open(2)); `nil` when it has ended.
    ///
    /// A process counts until its last thread has ended, whatever its first one does.
    public func open() -> OwnedDescriptor? {
        let number = clinux_pidfd_open(id)
        guard number >= 0 else { return nil }
        let handle = OwnedDescriptor(owning: number)
        guard Self.start(of: id) == start, Self.world == world,
            let ended = try? Poll.wait([.init(number)], timeout: .zero), ended.isEmpty
        else { return nil }
        return handle
    }

    /// The 22nd field of `/proc/PID/stat`; the second one, a name, may have anything in it.
    private static func start(of id: Int32) -> UInt64? {
        guard let text = ProcessFile.read("/proc/\(id)/stat", limit: 4096),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[end...].split(separator: " ")
        return fields.count > 20 ? UInt64(fields[20]) : nil
    }

    private static var world: String? {
        guard let boot = ProcessFile.read("/proc/sys/kernel/random/boot_id", limit: 64) else {
            return nil
        }
        var status = stat()
        guard unsafe stat("/proc/self/ns/pid", &status) == 0 else { return nil }
        return "\(boot.filter { !$0.isWhitespace })/\(status.st_ino)"
    }
}

/// Small files that the kernel makes up.
public enum ProcessFile {
    /// The text of a file of proc(5), as far as a limit in bytes; `nil` when it cannot be read.
    public static func read(_ path: String, limit: Int) -> String? {
        guard let file = try? OwnedDescriptor.open(path, O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: limit, from: file.number)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
