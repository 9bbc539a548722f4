import FoundationEssentials
import MigrationModel
import WireProtocol

/// What a hook is told: one JSON object and a line feed.
struct HookEvent: Encodable, Sendable {
    /// On which side of a move a host is.
    enum Role: String, Encodable, Sendable {
        case source, destination
    }

    /// How something ended on this host.
    enum Outcome: String, Encodable, Sendable {
        /// The guest is the destination's.
        case moved
        /// The guest is the source's.
        case failed
        /// The guest is the source's, as somebody wanted.
        case cancelled
        /// The hosts have to be asked: `livemig recover`.
        case inTransfer = "in-transfer"
        /// No guest is left on the host.
        case empty
        /// Guests are left on the host.
        case notEmpty = "not-empty"
    }

    /// What went wrong.
    struct Failure: Encodable, Sendable {
        let code: String
        let message: String

        init(_ error: LivemigError) {
            code = error.code.rawValue
            message = error.explanation
        }
    }

    private var event: String
    private var time: String
    private var host: String?
    private var vm: String?
    private var uuid: String?
    private var role: Role?
    private var peer: String?
    private var migration: String?
    private var epoch: UInt64?
    private var outcome: Outcome?
    private var error: Failure?

    private init(_ hook: HostHook) {
        event = hook.rawValue
        time = Self.now
    }

    /// A move that is about to begin.
    init(_ definition: VMDefinition, _ attempt: Attempt, as role: Role, peer: String) {
        self.init(.preMove)
        vm = definition.name.text
        uuid = definition.uuid.description
        self.role = role
        self.peer = peer
        migration = attempt.migration.description
        epoch = attempt.epoch.number
    }

    /// A drain that is about to begin, or is over.
    init(_ request: RunDrainHook) {
        switch request.stage {
        case .before: self.init(.preDrain)
        case .after(let failure):
            self.init(.postDrain)
            outcome = failure == nil ? .empty : .notEmpty
            error = failure.map(Failure.init)
        }
        host = request.host
    }

    /// The same move, which has ended.
    func ended(_ outcome: Outcome, _ failure: LivemigError?) -> HookEvent {
        var copy = self
        copy.event = HostHook.postMove.rawValue
        copy.time = Self.now
        copy.outcome = outcome
        copy.error = failure.map(Failure.init)
        return copy
    }

    /// The object as it is written.
    var line: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Text and whole numbers, which always encode.
        let data = (try? encoder.encode(self)) ?? Data("{}".utf8)
        return Array(data) + [10]
    }

    /// Such as `2026-01-31T12:00:00.123Z` (RFC 3339).
    private static var now: String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}

extension HookEvent.Outcome {
    /// How a move ended on a host, by the record that the host has of the VM; without one, by the
    /// error alone.
    ///
    /// - Parameters:
    ///   - attempt: the attempt.
    ///   - role: which side the host is on.
    ///   - right: what its record says at the end.
    ///   - failure: what went wrong, if anything did.
    init(
        of attempt: Attempt, as role: HookEvent.Role, right: Right?, _ failure: LivemigError?
    ) {
        guard let failure else {
            self = .moved
            return
        }
        switch (role, right) {
        case (.source, .gone(attempt)?), (.destination, .owner(attempt.epoch, attempt.migration)?):
            self = .moved
        case (.source, .released(attempt, _)?), (.destination, .ready(attempt, _)?):
            self = .inTransfer
        default: self = failure.code.exitCode == .cancelled ? .cancelled : .failed
        }
    }
}
