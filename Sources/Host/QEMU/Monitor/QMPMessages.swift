/// A command of the QEMU Machine Protocol; the value encodes as the command's arguments.
///
/// Source: docs/interop/qmp-spec.txt; the commands are in qapi/*.json.
package protocol QMPCommand: Encodable, Sendable {
    /// What QEMU answers; unknown members are ignored.
    associatedtype Reply: Decodable & Sendable
    /// The command's name.
    static var name: String { get }
}

/// The answer of commands that answer nothing.
package struct QMPNothing: Codable, Sendable {}

/// A command on its way to QEMU.
struct QMPRequest<Command: QMPCommand>: Encodable {
    let id: Int
    let command: Command

    private enum Keys: String, CodingKey {
        case execute, arguments, id
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(Command.name, forKey: .execute)
        try container.encode(command, forKey: .arguments)
        try container.encode(id, forKey: .id)
    }
}

/// What every message from QEMU may have; which members are there says what it is.
struct QMPEnvelope: Decodable {
    let greeting: QMPGreeting?
    let event: String?
    let id: Int?
    let error: QMPRefusal?

    private enum CodingKeys: String, CodingKey {
        case greeting = "QMP"
        case event, id, error
    }
}

/// The first message on a connection.
struct QMPGreeting: Decodable, Sendable {
    struct Version: Decodable, Sendable {
        let qemu: Numbers
    }

    struct Numbers: Decodable, Sendable {
        let major: Int
        let minor: Int
        let micro: Int
    }

    let version: Version

    var release: QEMUVersion {
        QEMUVersion(version.qemu.major, version.qemu.minor, version.qemu.micro)
    }
}

/// Why QEMU refused a command.
package struct QMPRefusal: Decodable, Hashable, Sendable {
    package let `class`: String
    package let desc: String
}

/// A successful answer.
struct QMPAnswer<Reply: Decodable>: Decodable {
    let `return`: Reply
}

/// The part of a `MIGRATION` event that is used (qapi/migration.json).
struct QMPMigrationEvent: Decodable {
    struct Data: Decodable {
        let status: String
    }

    let data: Data
}
