import Glibc
import LinuxSystem
public import MigrationModel

/// A TCP proxy in front of a server of 127.0.0.1, through which faults happen to connections.
///
/// One thread carries all connections (`ProxyLoop`). Connections have numbers in the order in which
/// they come, from 0 at the start and after each `restart`. Everything else may be called from any
/// thread.
public final class FaultProxy: Sendable {
    /// Which way bytes go.
    public enum Direction: Hashable, Sendable, CaseIterable {
        case toServer, toClient

        /// The other way.
        var opposite: Direction { self == .toServer ? .toClient : .toServer }
    }

    /// What has passed on a connection.
    public struct Traffic: Hashable, Sendable {
        /// Bytes from the client, before any fault.
        public var toServer: UInt64 = 0
        /// Bytes from the server, before any fault.
        public var toClient: UInt64 = 0
        /// Whether the proxy has ended with it.
        public var hasEnded = false

        /// Bytes in a direction.
        public subscript(direction: Direction) -> UInt64 {
            get { direction == .toServer ? toServer : toClient }
            set {
                switch direction {
                case .toServer: toServer = newValue
                case .toClient: toClient = newValue
                }
            }
        }
    }

    /// A fault, and what it happens to.
    public struct Plan: Hashable, Sendable {
        /// The numbers of the connections that it happens to, each on its own.
        public let connections: Range<Int>
        /// The direction whose bytes count, and to which it happens where it has one.
        public let direction: Direction
        /// What happens, and after which byte.
        public let point: FaultPoint

        /// Plans a fault.
        public init(
            _ fault: Fault, after offset: UInt64 = 0, on connections: Range<Int> = 0..<(.max),
            _ direction: Direction = .toServer
        ) {
            self.connections = connections
            self.direction = direction
            point = FaultPoint(fault, after: offset)
        }
    }

    struct State: Sendable {
        var plans: [Plan] = []
        /// Plans that the loop has not put on the connections that are there.
        var news: [Plan] = []
        /// How many plans there ever were, and how many of them the loop has dealt with.
        var planned = 0
        var applied = 0
        var traffic: [Traffic] = []
        var generation = 0
        var isOver = false
    }

    /// The port it listens on.
    public let port: Int
    private let state: Monitor<State>
    private let wake: OwnedDescriptor
    private let loop: WorkerThread<Void>

    /// Starts a proxy.
    /// - Parameter server: the port of the server on 127.0.0.1.
    public init(to server: Int) throws(LivemigError) {
        port = try SSHServerFixture.freePort()
        let listener = try SSHServerFixture.listener(port: port, backlog: 64).release()
        let ends = try OwnedDescriptor.pipe().release()
        wake = OwnedDescriptor(owning: ends.second)
        let state = Monitor(State())
        self.state = state
        loop = WorkerThread("proxy") {
            let loop = ProxyLoop(
                listener: OwnedDescriptor(owning: listener),
                wake: OwnedDescriptor(owning: ends.first), server: server, state: state)
            try loop.run()
        }
    }

    deinit {
        state.withLock { $0.isOver = true }
        ring()
        _ = try? loop.join()
    }

    /// Plans a fault for connections that are there and that come; one whose place has passed
    /// happens at once.
    public func plan(_ plan: Plan) { _ = add([plan]) }

    /// Lets a fault happen now, and returns when it has.
    ///
    /// - Parameters:
    ///   - fault: what happens.
    ///   - directions: to which it happens, each on its own.
    ///   - connections: to which; one that is not there yet breaks when it comes.
    /// - Throws: `E-TIMEOUT` when the proxy does not get to it.
    public func strike(
        _ fault: Fault, _ directions: [Direction] = [.toServer], on connections: Range<Int>
    ) throws(LivemigError) {
        let number = add(directions.map { Plan(fault, on: connections, $0) })
        let done = state.wait(deadline: .now + .seconds(10)) { state -> Bool? in
            state.applied >= number ? true : nil
        }
        guard done == true else {
            throw LivemigError(.timeout, "the proxy has not come to the fault")
        }
    }

    /// Forgets all plans: connections that come from now on work, those that broke stay so.
    public func heal() {
        state.withLock {
            $0.plans = []
            $0.news = []
        }
    }

    /// Adds plans; returns how many there ever were.
    private func add(_ plans: [Plan]) -> Int {
        let number = state.withLock {
            $0.plans += plans
            $0.news += plans
            $0.planned += plans.count
            return $0.planned
        }
        ring()
        return number
    }

    /// Forgets all plans, ends all connections, and counts them from 0 again.
    public func restart() {
        state.withLock {
            $0.plans = []
            $0.news = []
            $0.traffic = []
            $0.generation += 1
        }
        ring()
    }

    /// What has passed on each connection.
    public var traffic: [Traffic] { state.withLockUnnoticed { $0.traffic } }

    /// Waits until the traffic is as wanted, and returns it.
    /// - Throws: `E-TIMEOUT` when it is not so in time.
    @discardableResult
    public func wait(
        within limit: Duration = .seconds(20), until isWanted: ([Traffic]) -> Bool
    ) throws(LivemigError) -> [Traffic] {
        let found = state.wait(deadline: .now + limit) { state -> [Traffic]? in
            isWanted(state.traffic) ? state.traffic : nil
        }
        guard let found else {
            throw LivemigError(.timeout, "the proxy's traffic is not as wanted", at: "\(traffic)")
        }
        return found
    }

    private func ring() { try? DescriptorIO.write([1], to: wake.number) }
}
