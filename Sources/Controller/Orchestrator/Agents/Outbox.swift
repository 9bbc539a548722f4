import FrameTransport
import LinuxSystem
import MigrationModel
import WireProtocol

/// Messages on their way to a host, sent in order by a thread of their own.
final class Outbox: Sendable {
    private struct Queue {
        var messages: [any WireMessage] = []
        var isClosed = false
    }

    /// The most messages that wait while `waitForRoom` lets a thread pass.
    static let room = 64

    private let queue = Monitor(Queue())

    /// Appends a message; one for a connection that has ended is dropped, since its end is reported
    /// to whoever waits for the answer.
    func send(_ message: any WireMessage) {
        queue.withLock { if !$0.isClosed { $0.messages.append(message) } }
    }

    /// Holds the calling thread back while the host does not take what was sent.
    func waitForRoom() {
        queue.wait { $0.isClosed || $0.messages.count < Self.room ? () : nil }
    }

    /// Ends sending once everything is sent.
    func close() { queue.withLock { $0.isClosed = true } }

    /// Sends the greeting and then every message, until `close` or the connection's end.
    func run(_ channel: consuming FrameChannel<DescriptorChannel>) throws(LivemigError) {
        do throws(LivemigError) {
            try channel.sendBanner(.controller)
            while let message = next() { try channel.send(message) }
            try channel.finish()
        } catch {
            queue.withLock { $0 = Queue(isClosed: true) }
            throw error
        }
    }

    private func next() -> (any WireMessage)? {
        queue.wait { queue -> (any WireMessage)?? in
            guard let first = queue.messages.first else {
                return queue.isClosed ? .some(nil) : nil
            }
            queue.messages.removeFirst()
            return .some(first)
        }
    }
}
