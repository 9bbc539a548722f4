public import MigrationModel

/// Connects to a VM's console; answered by `ConsoleOpened`, then `ConsoleOutput` until
/// `ConsoleEnded`.
public struct AttachConsole: WireMessage, Hashable {
    public static let type = FrameType.attachConsole
    /// The VM.
    public let name: VMName
    /// What the user wants to do.
    public let access: ConsoleAccess

    /// Names a VM.
    public init(name: VMName, access: ConsoleAccess) {
        self.name = name
        self.access = access
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.integer(access.rawValue)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        access = try reader.choice()
    }
}

/// The console is connected.
public struct ConsoleOpened: WireMessage, Hashable {
    public static let type = FrameType.consoleOpened
    /// Whether what is typed reaches the guest.
    public let canType: Bool
    /// How many others are connected.
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

/// The console has ended.
public struct ConsoleEnded: WireMessage, Hashable {
    public static let type = FrameType.consoleEnded
    /// Why.
    public let ending: ConsoleEnding

    /// States why.
    public init(_ ending: ConsoleEnding) { self.ending = ending }

    public func encode(into writer: inout WireWriter) {
        switch ending {
        case .off: writer.integer(1 as UInt8)
        case .saved: writer.integer(2 as UInt8)
        case .moved(let host):
            writer.integer(3 as UInt8)
            writer.text(host)
        case .lost: writer.integer(4 as UInt8)
        }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        switch try reader.integer(UInt8.self) {
        case 1: ending = .off
        case 2: ending = .saved
        case 3: ending = .moved(to: try reader.text())
        case 4: ending = .lost
        default: throw .field("ending")
        }
    }
}

/// Bytes typed at the console.
///
/// One field: data, 64 KiB.
public struct ConsoleInput: WireMessage, Hashable {
    public static let type = FrameType.consoleInput
    /// The bytes, which may be a password.
    public let bytes: Secret<[UInt8]>

    /// Wraps bytes.
    public init(bytes: [UInt8]) { self.bytes = Secret(bytes) }

    public func encode(into writer: inout WireWriter) { writer.data(bytes.exposed) }

    public init(from reader: inout WireReader) throws(WireError) {
        bytes = Secret(try reader.data(limit: WireLimits.consoleChunk))
    }
}

/// Bytes the guest wrote to its console.
///
/// One field: data, 64 KiB.
public struct ConsoleOutput: WireMessage, Hashable {
    public static let type = FrameType.consoleOutput
    /// The bytes.
    public let bytes: [UInt8]

    /// Wraps bytes.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    public func encode(into writer: inout WireWriter) { writer.data(bytes) }

    public init(from reader: inout WireReader) throws(WireError) {
        bytes = try reader.data(limit: WireLimits.consoleChunk)
    }
}
