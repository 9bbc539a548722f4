/// `qmp_capabilities`: ends the negotiation.
struct NegotiateCapabilities: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "qmp_capabilities"
}

/// `stop`: stops the vCPUs and waits for block I/O in flight.
struct StopCommand: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "stop"
}

/// `cont`: takes the disks back if they were given up, then lets the vCPUs run.
struct ContinueCommand: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "cont"
}

/// `query-status`: the run state (qapi/run-state.json, `RunState`).
package struct QueryStatus: QMPCommand {
    package struct Reply: Decodable, Sendable {
        package let status: String
    }
    package static let name = "query-status"

    package init() {}
}

/// `query-block`: the disks and their last errors (qapi/block-core.json).
struct QueryBlock: QMPCommand {
    struct Block: Decodable {
        /// The device's path in QEMU's tree of objects.
        let qdev: String?
        /// `ok`, `failed` or `nospace`.
        let ioStatus: String?

        private enum CodingKeys: String, CodingKey {
            case qdev
            case ioStatus = "io-status"
        }
    }
    typealias Reply = [Block]
    static let name = "query-block"
}

/// `announce-self`: gratuitous RARP and the virtio announcement, in rounds (qapi/net.json).
struct AnnounceSelf: QMPCommand {
    typealias Reply = QMPNothing
    static let name = "announce-self"

    /// Milliseconds before the second round.
    let initial: Int
    /// The longest time between rounds in milliseconds.
    let max: Int
    /// How many rounds.
    let rounds: Int
    /// By how many milliseconds the time between rounds grows.
    let step: Int

    /// QEMU's own defaults.
    static let standard = AnnounceSelf(initial: 50, max: 550, rounds: 5, step: 100)
}

/// `query-uuid`: the VM's UUID as given by `-uuid`.
struct QueryUUID: QMPCommand {
    struct Reply: Decodable, Sendable {
        let uuid: String

        private enum CodingKeys: String, CodingKey {
            case uuid = "UUID"
        }
    }
    static let name = "query-uuid"
}
