public import MigrationModel

/// A move as the operator asks for it.
public struct MoveRequest: Hashable, Sendable {
    /// The VM.
    public var vm: VMReference
    /// Where it shall go.
    public var destination: HostName
    /// Where it is; `nil` looks for it on every host.
    public var source: HostName?
    /// How the move shall behave.
    public var policy: MigrationPolicy
    /// Whether pages are compressed as the source's own policy says, whatever `policy` does.
    public var takesCompressionOfHost: Bool
    /// Bridges of the guest, and what takes their place on the destination.
    public var networks: NetworkMap
    /// Whether each of them must be one that the guest has.
    public var usesAllNetworks: Bool
    /// Whether only the checks are made.
    public var isDryRun: Bool
    /// Whether the guest is measured first, and the move predicted.
    public var forecast: ForecastRequest?

    /// States a move.
    public init(
        vm: VMReference, to destination: HostName, from source: HostName? = nil,
        policy: MigrationPolicy = MigrationPolicy(), takesCompressionOfHost: Bool = false,
        networks: NetworkMap = NetworkMap(), usesAllNetworks: Bool = true, isDryRun: Bool = false,
        forecast: ForecastRequest? = nil
    ) {
        self.networks = networks
        self.usesAllNetworks = usesAllNetworks
        self.vm = vm
        self.destination = destination
        self.source = source
        self.policy = policy
        self.takesCompressionOfHost = takesCompressionOfHost
        self.isDryRun = isDryRun
        self.forecast = forecast
    }
}
