import Glibc
import Hypervisor
import LinuxSystem
public import MigrationModel
public import WireProtocol

/// Adds a user to the guest's console, whose end of a stream comes along; answered by
/// `GuardianConsole`.
public struct GuardianAttachConsole: WireMessage, Hashable {
    public static let type = FrameType.guardianAttachConsole
    /// What the user wants to do.
    public let access: ConsoleAccess

    /// Asks.
    public init(access: ConsoleAccess) { self.access = access }

    public func encode(into writer: inout WireWriter) { writer.integer(access.rawValue) }

    public init(from reader: inout WireReader) throws(WireError) { access = try reader.choice() }
}

/// The user is connected to the console.
public struct GuardianConsole: WireMessage, Hashable {
    public static let type = FrameType.guardianConsole
    /// Whether what the user types reaches the guest.
    public let canType: Bool
    /// How many others look at the console.
    public let others: UInt32

    /// States it.
    public init(canType: Bool, others: UInt32) {
        self.canType = canType
        self.others = others
    }

    public func encode(into writer: inout WireWriter) {
        writer.flag(canType)
        writer.integer(others)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        canType = try reader.flag()
        others = try reader.integer()
    }
}

extension Guardian {
    /// Connects to the guest's serial ports; a reference guest serves the first alone.
    func connectConsoles() throws(LivemigError) {
        let definition = assignment.definition
        let count =
            definition.kind == .synthetic ? min(1, definition.serialPorts) : definition.serialPorts
        try consoles.connect(assignment.folder.serialSockets(count))
    }

    /// Whether the console's output is this process's to keep: reference guests do it by
    /// themselves, and so does a QEMU that an earlier build has started.
    static func keepsConsole(of assignment: Assignment, _ orphan: HypervisorProcess?) -> Bool {
        guard assignment.definition.kind != .synthetic else { return false }
        guard let orphan else { return true }
        guard let file = try? OwnedDescriptor.open("/proc/\(orphan.id)/cmdline", O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 64 << 10, from: file.number)
        else { return true }
        return !String(decoding: bytes, as: UTF8.self).contains("logfile=")
    }
}
