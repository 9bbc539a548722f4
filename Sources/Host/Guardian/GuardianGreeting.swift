import Glibc
import Hypervisor
import LinuxSystem
public import WireProtocol

/// The version of what guardians and agents of one host say to each other.
///
/// A guardian lives as long as its VM, which is longer than the build of the agent it came with.
public enum GuardianProtocol {
    /// The version of this build.
    ///
    /// Any change to a message that an older or newer guardian would
    /// not understand raises it; builds before the first one with versions count as 0.
    public static let current: UInt16 = 1

    /// The version that a guardian speaks: that of this build, unless a test wants another build's.
    static func spoken(by folder: MachineFolder) -> UInt16 {
        #if CrashPoints
        let path = folder.path.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        if let file = try? OwnedDescriptor.open("\(path)/guardian-protocol", O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 8, from: file.number)
        {
            return UInt16(String(decoding: bytes, as: UTF8.self)) ?? current
        }
        #endif
        return current
    }
}

/// Says which version the agent speaks, before anything else; answered by `GuardianWelcome`.
public struct GuardianHello: WireMessage, Hashable {
    public static let type = FrameType.guardianHello
    /// The version.
    public let version: UInt16
    /// The version of the agent's program, for people.
    public let program: String

    /// States both.
    public init(version: UInt16, program: String) {
        self.version = version
        self.program = program
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(version)
        writer.text(program)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        version = try reader.integer()
        program = try reader.text()
    }
}

/// Says which version the guardian speaks.
public struct GuardianWelcome: WireMessage, Hashable {
    public static let type = FrameType.guardianWelcome
    /// The version.
    public let version: UInt16
    /// The version of the guardian's program, for people.
    public let program: String

    /// States both.
    public init(version: UInt16, program: String) {
        self.version = version
        self.program = program
    }

    public func encode(into writer: inout WireWriter) {
        writer.integer(version)
        writer.text(program)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        version = try reader.integer()
        program = try reader.text()
    }
}
