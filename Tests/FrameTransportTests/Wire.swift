import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import WireProtocol

/// One end of a socket pair that sends any bytes, and a frame channel on the other.
struct Wire: ~Copyable {
    var peer: OwnedDescriptor
    var channel: FrameChannel<DescriptorChannel>

    init(stall: Duration? = .seconds(10)) throws {
        let pair = try UnixSocket.pair(.stream)
        let peer = try pair.first.duplicate()
        let socket = try DescriptorChannel(socket: try pair.second.duplicate(), stall: stall)
        self.peer = peer
        channel = FrameChannel(socket, at: "beta")
    }

    /// Sends bytes as the peer and ends the peer's side.
    mutating func feed(_ bytes: [UInt8]) throws {
        try DescriptorIO.write(bytes, to: peer.number)
        _ = shutdown(peer.number, CInt(SHUT_WR))
    }

    /// Everything received until the end, or the error.
    mutating func drain() throws -> [Frame] {
        var frames: [Frame] = []
        while let frame = try channel.receive() { frames.append(frame) }
        return frames
    }
}

/// The error of code that must fail with a `LivemigError`.
func failure(_ body: () throws -> Void) -> LivemigError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LivemigError
    }
}
