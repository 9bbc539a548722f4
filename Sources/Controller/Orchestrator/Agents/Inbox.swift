import FrameTransport
import LinuxSystem
import MigrationModel
import WireProtocol

/// What a host sends, read by a thread of its own and taken by tasks.
final class Inbox: Sendable {
    /// What arrives, in order.
    enum Item: Sendable {
        case banner(Banner)
        case frame(Frame)
        /// The last item: nothing more comes, because of an error or at the stream's end.
        case end(LivemigError?)
    }

    /// The most items that wait to be taken before the thread stops reading.
    private static let room = 256

    private let items: AsyncStream<Item>
    private let supply: AsyncStream<Item>.Continuation
    /// How many items wait; `nil` when nobody will take any more.
    private let waiting = Monitor<Int?>(0)

    init() { (items, supply) = AsyncStream.makeStream() }

    /// Takes the next item; `nil` after the last, and when the task is cancelled, which ends the
    /// inbox for good.
    func next() async -> Item? {
        var iterator = items.makeAsyncIterator()
        let item = await iterator.next()
        waiting.withLock { $0 = item == nil ? nil : $0.map { $0 - 1 } }
        return item
    }

    /// Whether there is nothing to take, and the stream has not ended.
    var isQuiet: Bool { waiting.withLockUnnoticed { $0 == 0 } }

    /// Lets the thread go on to the stream's end without anybody taking what comes.
    func abandon() { waiting.withLock { $0 = nil } }

    /// Reads to the end.
    func run(_ channel: consuming FrameChannel<DescriptorChannel>) {
        var end: LivemigError?
        do throws(LivemigError) {
            add(.banner(try channel.receiveBanner()))
            while let frame = try channel.receive() { add(.frame(frame)) }
        } catch {
            end = error
        }
        add(.end(end))
        supply.finish()
    }

    private func add(_ item: Item) {
        waiting.wait { count in
            guard let waiting = count else { return () }
            guard waiting < Self.room else { return nil }
            count = waiting + 1
            return ()
        }
        supply.yield(item)
    }
}
