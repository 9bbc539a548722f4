import FrameTransport
import LinuxSystem
import MigrationModel
import WireProtocol

/// The destination's end of a lane that is opened to be measured: counts what comes, and keeps
/// nothing of it.
enum LaneMeter {
    /// The most that is taken on one connection, in bytes: more than a source can send in the time
    /// of all samples.
    static let byteLimit: UInt64 = 4 << 30
    /// How long one connection may take.
    static let timeLimit: Duration = .seconds(30)

    /// Answers probes until the source ends the connection.
    ///
    /// - Parameters:
    ///   - first: the probe that opened the connection.
    ///   - host: this host's identity.
    ///   - channel: the connection.
    /// - Throws: `E-WIRE` for anything but batches and probes, and for more of them than a
    ///   measurement needs.
    static func serve<Channel: ByteChannel & ~Copyable>(
        _ first: LaneProbe, as host: String, on channel: inout FrameChannel<Channel>
    ) throws(LivemigError) {
        try channel.send(LaneProbed(number: first.number, bytes: 0, host: host))
        let deadline = MonotonicTime.now + timeLimit
        var (all, since): (UInt64, UInt64) = (0, 0)
        while let frame = try channel.receive() {
            switch frame.type {
            case .batch:
                since += UInt64(frame.payload.count)
                all += UInt64(frame.payload.count)
            case .laneProbe:
                let probe = try frame.decode(LaneProbe.self)
                try channel.send(LaneProbed(number: probe.number, bytes: since, host: host))
                since = 0
            default: throw LivemigError(.wire, "\(WireError.type(frame.type.rawValue))")
            }
            guard all <= byteLimit, MonotonicTime.now < deadline else {
                throw LivemigError(
                    .wire, "a measurement takes \(all) bytes, or longer than \(timeLimit.brief)")
            }
        }
    }
}
