import FrameTransport
import LinuxSystem
import MigrationModel
import Synchronization
import WireProtocol

/// The sending side of a connection, shared by threads; frames go out whole and in order.
final class FrameSink: Sendable {
    private let channel: Mutex<FrameChannel<DescriptorChannel>>

    init(_ channel: consuming FrameChannel<DescriptorChannel>) {
        self.channel = Mutex(channel)
    }

    /// Sends a message.
    func send(_ message: some WireMessage) throws(LivemigError) {
        try channel.withLock { (channel) throws(LivemigError) in try channel.send(message) }
    }

    /// Sends a message to a peer that may have gone, where nothing depends on its arrival.
    func sendIfPossible(_ message: some WireMessage) { try? send(message) }

    /// Bytes of all frames sent so far.
    var bytesSent: UInt64 { channel.withLock { $0.bytesSent } }

    /// Tells the peer that nothing more will be sent.
    func finish() { channel.withLock { try? $0.finish() } }
}
