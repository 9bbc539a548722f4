import MigrationModel

/// Every bound on what a peer may send, each checked before anything is allocated for it.
public enum WireLimits {
    /// The longest payload of a frame: the list of all VMs of a host is the largest message.
    public static let payload = 8 << 20
    /// The longest VM definition, as for the file it came from.
    public static let definition = 1 << 20
    /// The longest name of a VM, host or file that is sent.
    public static let name = 4096
    /// The longest identifier, such as the name of a CPU feature.
    public static let word = 64
    /// The most features of a processor.
    public static let features = 1024
    /// The most findings in a report.
    public static let findings = 256
    /// The most windows of a measurement.
    public static let windows = 32
    /// The longest sentence in an error.
    public static let sentence = 2048
    /// The most disks or interfaces of a VM that are named in a message.
    public static let devices = 256
    /// The most VMs in a list: far more than a host can hold, and few enough for one frame.
    public static let machines = 2_000
    /// The most damaged VMs in a list; more of them are the host's trouble, and an error of it.
    public static let damaged = 128
    /// The longest sentence in the error of a damaged VM.
    public static let reason = 512
    /// The most host keys, lanes or addresses named in a message.
    public static let items = 64
    /// The most hosts on the way to a peer.
    public static let jumps = HostAccess.jumpLimit
    /// One piece of device state.
    public static let stateChunk = 256 << 10
    /// The whole device state of a guest; QEMU's is about 290 KB without RAM.
    public static let deviceState: UInt64 = 64 << 20
    /// One piece of console text.
    public static let consoleChunk = 64 << 10
    /// The most bridges that are replaced.
    public static let bridges = NetworkMap.limit
    /// The most page hashes in a message: those of 256 MiB of guest RAM, half a frame.
    public static let pageHashes = 65_536
    /// The longest banner line with its line feed.
    public static let banner = 128
}

/// What is wrong with bytes that a peer sent.
public enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The stream ended inside a frame.
    case truncated
    /// A frame does not start with the magic.
    case magic
    /// The header's checksum does not fit.
    case headerChecksum
    /// The payload's checksum does not fit.
    case payloadChecksum
    /// A frame is out of order, lost or repeated.
    case sequence(expected: UInt32, found: UInt32)
    /// The payload is longer than allowed.
    case tooLong(Int)
    /// A frame type that does not exist, or is not expected now.
    case type(UInt16)
    /// A field holds a value that it may not.
    case field(String)
    /// Bytes are left after the last field.
    case trailing(Int)
    /// The greeting is not ours, or of another version.
    case banner(String)

    /// A clause such as `frame checksum differs`.
    public var description: String {
        switch self {
        case .truncated: "stream ended inside a frame"
        case .magic: "not a livemig frame"
        case .headerChecksum: "header checksum differs"
        case .payloadChecksum: "payload checksum differs"
        case .sequence(let expected, let found):
            "frame \(found) came where \(expected) was due"
        case .tooLong(let length): "length \(length) is over the limit"
        case .type(let type): "frame type \(type) is not expected here"
        case .field(let name): "field \(name) is not valid"
        case .trailing(let count): "\(count) bytes after the last field"
        case .banner(let text): "greeting is \(text)"
        }
    }
}
