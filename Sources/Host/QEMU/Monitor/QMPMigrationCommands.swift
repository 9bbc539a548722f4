/// The capabilities of migration that are used (qapi/migration.json, `MigrationCapability`).
enum MigrationCapability: String, Codable, Sendable, CaseIterable {
    /// RAM that is shared with others stays out of the stream; unstable by its name, so probed.
    case ignoreShared = "x-ignore-shared"
    /// State changes come as events.
    case events
    /// A stream of another VM is refused.
    case validateUUID = "validate-uuid"
    /// The destination takes the disks' locks at `cont`, not when the state is loaded.
    case lateBlockActivate = "late-block-activate"
}

/// `query-migrate-capabilities`: what this QEMU knows.
package struct QueryMigrateCapabilities: QMPCommand {
    package struct Status: Decodable, Sendable {
        package let capability: String
    }
    package typealias Reply = [Status]
    package static let name = "query-migrate-capabilities"

    package init() {}
}

/// `migrate-set-capabilities`.
struct SetMigrateCapabilities: QMPCommand {
    struct Status: Encodable, Sendable {
        let capability: MigrationCapability
        let state: Bool
    }
    typealias Reply = QMPNothing
    static let name = "migrate-set-capabilities"

    let capabilities: [Status]

    /// Switches capabilities on.
    init(enabling capabilities: [MigrationCapability]) {
        self.capabilities = capabilities.map { Status(capability: $0, state: true) }
    }
}

/// `migrate-set-parameters`.
struct SetMigrateParameters: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "migrate-set-parameters"

    /// In bytes a second.
    let maxBandwidth: UInt64

    private enum CodingKeys: String, CodingKey {
        case maxBandwidth = "max-bandwidth"
    }
}

/// `getfd`: names a descriptor that comes along with the command.
struct GetDescriptor: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "getfd"

    let fdname: String
}

/// `closefd`: closes a named descriptor.
struct CloseDescriptor: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "closefd"

    let fdname: String
}

/// `migrate`: starts to save; answers before anything is written.
struct MigrateCommand: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "migrate"

    let uri: String
}

/// `migrate-incoming`: starts to load; once per process.
struct MigrateIncoming: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "migrate-incoming"

    let uri: String
}

/// `migrate_cancel`: no error where there is nothing to cancel.
struct CancelMigration: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "migrate_cancel"
}

/// `query-migrate`: how far saving or loading has come; empty before the first.
package struct QueryMigrate: QMPCommand {
    package struct Reply: Decodable, Sendable {
        package let status: String?
        package let errorDescription: String?
        /// Since QEMU 6.0.
        package let blockedReasons: [String]?

        private enum CodingKeys: String, CodingKey {
            case status
            case blockedReasons = "blocked-reasons"
            case errorDescription = "error-desc"
        }
    }
    package static let name = "query-migrate"

    package init() {}
}
