public import MigrationModel
import Planner

/// How the moves of a batch behave.
public struct MoveTemplate: Hashable, Sendable {
    /// How each move behaves.
    public var policy: MigrationPolicy
    /// Whether pages are compressed as the source's own policy says.
    public var takesCompressionOfHost: Bool
    /// What takes the place of bridges on destinations, for guests that have them.
    public var networks: NetworkMap

    /// States how moves behave.
    public init(
        policy: MigrationPolicy = MigrationPolicy(), takesCompressionOfHost: Bool = true,
        networks: NetworkMap = NetworkMap()
    ) {
        self.networks = networks
        self.policy = policy
        self.takesCompressionOfHost = takesCompressionOfHost
    }

    func request(for move: MoveQueue.Move) -> MoveRequest {
        MoveRequest(
            vm: VMReference(host: move.from, name: move.guest), to: move.to, policy: policy,
            takesCompressionOfHost: takesCompressionOfHost, networks: networks,
            usesAllNetworks: false)
    }
}
