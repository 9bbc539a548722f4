import LinuxSystem
import MigrationModel
import Synchronization

/// Which hosts have answered within one command, so that a silent one costs its time-outs once.
///
/// Whoever needs a host to which somebody else is connecting for the first time waits for the
/// outcome. A host that could not be reached is asked again after a while: it may be back in a
/// long drain. Any task may use it.
final class HostContacts: Sendable {
    /// How long a failure counts.
    static let memory = Duration.seconds(60)
    /// The time after which a host is silent: somebody is told what is waited for.
    static let quiet = Duration.seconds(1)
    /// How much longer a host may take that has accepted a connection, and is busy.
    static let busyQuiet = Duration.seconds(2)

    private enum Contact: Sendable {
        case trying([AsyncStream<Void>.Continuation])
        case made
        case failed(LivemigError, MonotonicTime)
    }

    private enum Turn {
        case go, fail(LivemigError), wait(AsyncStream<Void>)
    }

    private struct State: Sendable {
        var contacts: [HostName: Contact] = [:]
        var told: Set<HostName> = []
    }

    private let state = Mutex(State())
    private let tell: (@Sendable (HostRecord) -> Void)?

    /// - Parameter tell: called once for each host that has not answered for `quiet`.
    init(tell: (@Sendable (HostRecord) -> Void)? = nil) { self.tell = tell }

    /// Connects to a host, unless it is known to be silent.
    ///
    /// - Parameters:
    ///   - host: the host.
    ///   - connect: connects, and calls what it is given once the host has accepted a connection.
    /// - Throws: what `connect` throws now, or has thrown a short time ago.
    func open<Value: Sendable>(
        _ host: HostRecord,
        _ connect: (@escaping @Sendable () -> Void) async throws(LivemigError) -> Value
    ) async throws(LivemigError) -> Value {
        try await takeTurn(host.name)
        let isUp = Flag()
        let word = Task {
            guard (try? await Task.sleep(for: Self.quiet)) != nil else { return }
            if isUp.isSet, (try? await Task.sleep(for: Self.busyQuiet)) == nil { return }
            say(host)
        }
        defer { word.cancel() }
        do {
            let value = try await connect { isUp.set() }
            end(host.name, .made)
            return value
        } catch {
            // What was given up here says nothing of the host.
            let isOurs = error.code == .cancelled || Task.isCancelled
            end(host.name, isOurs ? nil : .failed(error, .now))
            throw error
        }
    }

    private func takeTurn(_ name: HostName) async throws(LivemigError) {
        while true {
            switch turn(name) {
            case .go: return
            case .fail(let error): throw error
            case .wait(let end):
                for await _ in end {}
                guard !Task.isCancelled else {
                    throw LivemigError(.cancelled, "connection ended on request", at: name.text)
                }
            }
        }
    }

    private func turn(_ name: HostName) -> Turn {
        state.withLock { state in
            switch state.contacts[name] {
            case .made: return .go
            case .failed(let error, let time) where time.elapsed < Self.memory: return .fail(error)
            case .failed, nil:
                state.contacts[name] = .trying([])
                return .go
            case .trying(let others):
                let (end, supply) = AsyncStream<Void>.makeStream()
                state.contacts[name] = .trying(others + [supply])
                return .wait(end)
            }
        }
    }

    private func end(_ name: HostName, _ contact: Contact?) {
        let waiting = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            defer { state.contacts[name] = contact }
            if case .trying(let others) = state.contacts[name] { return others }
            return []
        }
        for other in waiting { other.finish() }
    }

    private func say(_ host: HostRecord) {
        guard state.withLock({ $0.told.insert(host.name).inserted }) else { return }
        tell?(host)
    }
}

/// Something that has happened.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }
}
