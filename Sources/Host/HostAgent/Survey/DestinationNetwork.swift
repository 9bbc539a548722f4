import FrameTransport
import LinuxSystem
import MigrationModel
import QEMU
import WireProtocol

/// The guest's network on the destination of a move: whether it would be there, and how soon it was.
///
/// Used by the thread of the move alone; what is measured is measured by a thread of its own.
final class DestinationNetwork {
    private let definition: VMDefinition
    private let attempt: Attempt
    private let events: FrameSink
    /// Ports of the guest's bridges that are others'.
    private let others: Set<String>
    private var ports: [WatchedPort] = []
    private var watch: PortWatch?
    private var meter: WorkerThread<Void>?

    /// Notes what is there before the guest's own ports are.
    init(_ definition: VMDefinition, _ attempt: Attempt, _ events: FrameSink) {
        self.definition = definition
        self.attempt = attempt
        self.events = events
        others = WatchedPort.names(atBridgesOf: definition)
    }

    /// Whether a port does not let the guest in yet.
    var isWaiting: Bool { watch?.isWaiting ?? false }

    /// Tells the source when the guest can be taken in, and when not yet or no more.
    ///
    /// The first look is made once the hypervisor has started.
    ///
    /// - Throws: `E-NET` when a bridge keeps the guest off the network.
    func look(telling source: FrameSink) throws(LivemigError) {
        if watch == nil { ports = WatchedPort.ports(of: definition, besides: others) }
        var watch = watch ?? PortWatch(ports)
        defer { self.watch = watch }
        switch try watch.look(at: .now) {
        case .forwarding: try source.send(MachineReady())
        case .awaited(let awaited):
            try source.send(awaited)
            events.sendIfPossible(NoteMessage(Self.note(awaited)))
        case nil: break
        }
    }

    private static func note(_ awaited: PortsAwaited) -> Finding {
        Finding(
            .warning(.network),
            "bridge \(awaited.bridge) does not let the guest in yet; it stays on the source until "
                + "then, for \(awaited.limit.brief) at most",
            at: "bridge \(awaited.bridge)")
    }

    /// Begins to measure how soon the guest is found; the source hears of it by `guestReached`.
    ///
    /// - Parameters:
    ///   - start: when the guest ran.
    ///   - source: the link.
    /// - Returns: whether there is something to measure.
    func measure(since start: MonotonicTime, for source: FrameSink) -> Bool {
        guard meter == nil else { return true }
        let (ports, attempt, events) = (ReachMeter.measurable(ports), attempt, events)
        guard !ports.isEmpty else { return false }
        meter = WorkerThread("reach") {
            let reach = ReachMeter.measure(ports, since: start)
            for finding in reach.compactMap(\.finding) {
                events.sendIfPossible(NoteMessage(finding))
            }
            source.sendIfPossible(GuestReached(attempt: attempt, reach: reach))
        }
        return true
    }

    /// Waits for what is being measured.
    func end() { _ = try? meter?.join() }
}
