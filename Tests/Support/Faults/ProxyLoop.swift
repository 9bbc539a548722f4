import CLinux
import LinuxSystem
import MigrationModel

/// The thread of a fault proxy: one poll loop over all connections.
struct ProxyLoop: ~Copyable {
    private let listener: OwnedDescriptor
    private let wake: OwnedDescriptor
    private let server: Int
    private let state: Monitor<FaultProxy.State>

    init(
        listener: consuming OwnedDescriptor, wake: consuming OwnedDescriptor, server: Int,
        state: Monitor<FaultProxy.State>
    ) {
        self.listener = listener
        self.wake = wake
        self.server = server
        self.state = state
    }

    /// Carries bytes until the proxy is over.
    func run() throws(LivemigError) {
        var connections: [ProxyConnection] = []
        while true {
            let interests =
                [Poll.Interest(listener.number), Poll.Interest(wake.number)]
                + connections.flatMap(\.interests)
            let next = connections.compactMap(\.nextDue).min()
            let ready = Set(
                try Poll.wait(interests, timeout: next.map { max(.zero, $0 - .now) }))
            if ready.contains(wake.number) {
                _ = try DescriptorIO.readAvailable(upTo: 64, from: wake.number)
            }
            if ready.contains(listener.number) { connections.append(try accept()) }
            let news = state.withLockUnnoticed { state -> ([FaultProxy.Plan], Int, Int)? in
                defer { state.news = [] }
                return state.isOver ? nil : (state.news, state.planned, state.generation)
            }
            guard let (plans, planned, generation) = news else { return }
            for connection in connections {
                for plan in plans { connection.apply(plan, generation) }
                connection.work(ready, generation)
            }
            note(connections, generation, planned)
            connections.removeAll { $0.hasEnded }
        }
    }

    private func accept() throws(LivemigError) -> ProxyConnection {
        let listening = listener.number
        let client = OwnedDescriptor(
            owning: try SystemCall.checkNegated("accept4") { clinux_accept(listening) })
        // A server that is not there ends the connection as it would without a proxy.
        let upstream = try? TCPSocket.connect(to: "127.0.0.1", port: server)
        let (number, plans, generation) = state.withLock { state in
            state.traffic.append(FaultProxy.Traffic())
            return (state.traffic.count - 1, state.plans, state.generation)
        }
        let connection = ProxyConnection(
            number, generation, client: client, server: upstream ?? OwnedDescriptor(owning: -1))
        for plan in plans { connection.apply(plan, generation) }
        return connection
    }

    private func note(_ connections: [ProxyConnection], _ generation: Int, _ planned: Int) {
        state.withLock { state in
            state.applied = planned
            guard state.generation == generation else { return }
            for connection in connections where connection.generation == generation {
                state.traffic[connection.number] = connection.traffic
            }
        }
    }
}
