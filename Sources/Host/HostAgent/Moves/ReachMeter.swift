import Glibc
import LinuxSystem
import MigrationModel
import QEMU

/// Measures how soon bridges know where a guest is that has just been resumed.
///
/// The hypervisor announces the guest as soon as it runs, and is silent before: the first packet
/// from the port shows that the way from the guest into the bridge is open.
enum ReachMeter {
    /// How often the bridges are asked: at first a long look would spoil a short time.
    private static let intervals: [(upTo: Duration, sleep: UInt32)] = [
        (.milliseconds(100), 1_000), (.seconds(1), 5_000), (.seconds(3600), 20_000),
    ]

    /// The ports at which something can be measured: bridges that learn nothing tell nothing.
    static func measurable(_ ports: [WatchedPort]) -> [WatchedPort] { ports.filter(\.learns) }

    /// Measures until every bridge knows of the guest, or `NetworkReach.limit` is over.
    /// - Parameters:
    ///   - ports: the guest's ports.
    ///   - start: when the guest ran.
    static func measure(_ ports: [WatchedPort], since start: MonotonicTime) -> [NetworkReach] {
        var times = [Duration?](repeating: nil, count: ports.count)
        while true {
            for (index, port) in ports.enumerated() where times[index] == nil {
                guard port.state == .forwarding, port.isGuestKnown else { continue }
                times[index] = max(.zero, start.elapsed)
            }
            let elapsed = start.elapsed
            guard times.contains(nil), elapsed < NetworkReach.limit else { break }
            usleep(intervals.first { elapsed < $0.upTo }?.sleep ?? 20_000)
        }
        return zip(ports, times).map { port, time in
            NetworkReach(
                bridge: port.bridge, mac: port.mac, after: time, state: port.state ?? .disabled)
        }
    }
}
