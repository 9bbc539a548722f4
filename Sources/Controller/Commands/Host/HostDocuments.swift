import MigrationModel
import Orchestrator

/// Several hosts.
struct HostsDocument: Encodable {
    let hosts: [HostDocument]
}

/// A host of the inventory.
struct HostDocument: Encodable {
    let name: String
    let address: String
    let port: Int
    let user: String
    let identity: String?
    let root: String
    let agent: String
    let authorizedKeys: String?
    let become: String?
    let hostKeys: [String]
    let migrationNetworks: [Network]
    let jump: String?
    let peerJump: String?
    let connectTimeoutMs: Double
    let loginTimeoutMs: Double
    let answerTimeoutMs: Double

    struct Network: Encodable {
        let subnet: String
        let priority: Int
        let simultaneous: Int?

        init(_ network: MigrationNetwork) {
            subnet = network.subnet.description
            priority = network.priority
            simultaneous = network.moves
        }
    }

    init(_ host: HostRecord) {
        name = host.name.text
        address = host.address
        port = host.port
        user = host.user
        identity = host.identity
        root = host.root
        agent = host.agent
        authorizedKeys = host.authorizedKeys
        become = host.become?.rawValue
        hostKeys = host.hostKeys
        migrationNetworks = host.migrationNetworks.map(Network.init)
        jump = HostText.jump(host)
        peerJump = HostText.peerJump(host)
        connectTimeoutMs = host.timeouts.connect.jsonMilliseconds
        loginTimeoutMs = host.timeouts.login.jsonMilliseconds
        answerTimeoutMs = host.timeouts.answer.jsonMilliseconds
    }
}

/// What hosts say about themselves.
struct HostChecksDocument: Encodable {
    let hosts: [HostCheckDocument]
}

/// What a host says about itself, or why it cannot be asked.
struct HostCheckDocument: Encodable {
    let name: String
    let reachable: Bool
    var error: ErrorEvent?
    var identity: String?
    var agentVersion: String?
    var kernel: String?
    var architecture: String?
    var processors: Int?
    var memoryTotalBytes: UInt64?
    var memoryAvailableBytes: UInt64?
    var hugePagePoolBytes: UInt64?
    var hugePagePoolFreeBytes: UInt64?
    var sharedHugePages: String?
    var tracking: String?
    var canMoveLive: Bool?
    var hypervisor: String?
    var kvm: Bool?

    init(_ answer: HostAnswer<HostFacts>) {
        name = answer.host.name.text
        switch answer.result {
        case .failure(let error):
            reachable = false
            self.error = ErrorEvent(error)
        case .success(let facts):
            reachable = true
            identity = facts.identity
            agentVersion = facts.agentVersion
            kernel = facts.kernel
            architecture = facts.architecture
            processors = facts.processors
            memoryTotalBytes = facts.memoryTotal.bytes
            memoryAvailableBytes = facts.memoryAvailable.bytes
            hugePagePoolBytes = facts.hugePages.pool.bytes
            hugePagePoolFreeBytes = facts.hugePages.free.bytes
            sharedHugePages =
                facts.hugePages.sharing == .unknown ? nil : facts.hugePages.sharing.rawValue
            tracking = facts.tracking
            canMoveLive = facts.canTrack
            hypervisor = facts.hypervisor
            kvm = facts.hasKVM
        }
    }
}
