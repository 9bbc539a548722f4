import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// Moves bytes between a channel and a stream socket until the command has ended.
///
/// Each direction holds at most one buffer: what one side does not take is not read from the other,
/// so that the sender is held back by its own socket or window. The loop sleeps in poll(2) only
/// when neither direction can move, and never on an event that it has no use for.
struct PumpLoop: ~Copyable {
    private var channel: SSHChannel
    private let local: OwnedDescriptor
    private var toRemote = Flow()
    private var toLocal = Flow()
    private var isLocalGone = false
    /// How long bytes for the host may wait; `nil` when none do.
    private var patience: WritePatience?

    private static let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)

    init(_ channel: consuming SSHChannel, _ local: consuming OwnedDescriptor) {
        self.channel = channel
        self.local = local
    }

    /// Runs until the command has ended and its output is delivered, or nobody is left here to
    /// take it.
    mutating func run() throws(LivemigError) -> SSHExit {
        while true {
            try channel.session.serve()
            let mark = channel.session.activity
            var moved = try moveToRemote()
            if try moveToLocal() { moved = true }
            if isLocalGone { break }
            try channel.drainErrors()
            if toLocal.isPassedOn && channel.isClosed { break }
            if !moved { try sleep(since: mark) }
        }
        channel.finishErrors()
        return channel.exit
    }

    // MARK: Local to remote

    /// A command that has ended takes nothing any more, but its last output is still to be read.
    private mutating func moveToRemote() throws(LivemigError) -> Bool {
        guard !channel.isClosed else { return false }
        var moved = false
        if toRemote.isEmpty, !toRemote.hasEnded { moved = try receive() }
        do throws(LivemigError) {
            return try offer() || moved
        } catch {
            guard channel.session.isConnected, channel.isClosed || channel.exit.status != nil
            else { throw error }
            toRemote.discard()
            return true
        }
    }

    private mutating func offer() throws(LivemigError) -> Bool {
        var moved = false
        if !toRemote.isEmpty, !channel.session.hasUnsent {
            let count = try unsafe channel.offer(toRemote.pending.bytes)
            toRemote.start += count
            if count > 0 { moved = true }
        }
        if toRemote.hasEnded, toRemote.isEmpty, !toRemote.isPassedOn {
            try channel.sendEnd()
            toRemote.isPassedOn = true
            moved = true
        }
        return moved
    }

    private mutating func receive() throws(LivemigError) -> Bool {
        let buffer = unsafe toRemote.buffer.bytes
        let count = unsafe recv(
            local.number, buffer.baseAddress, buffer.count, Self.flags)
        if count < 0 {
            guard try isGone("recv") else { return false }
            isLocalGone = true
            channel.abandon()
            return false
        }
        toRemote.start = 0
        toRemote.end = count
        toRemote.hasEnded = count == 0
        return true
    }

    // MARK: Remote to local

    private mutating func moveToLocal() throws(LivemigError) -> Bool {
        if toLocal.isEmpty, !toLocal.hasEnded {
            switch try unsafe channel.take(into: toLocal.buffer.bytes) {
            case .bytes(let count):
                toLocal.start = 0
                toLocal.end = count
            case .nothing: break
            case .end: toLocal.hasEnded = true
            }
        }
        if toLocal.hasEnded, toLocal.isEmpty, !toLocal.isPassedOn {
            _ = shutdown(local.number, CInt(SHUT_WR))
            toLocal.isPassedOn = true
            return true
        }
        return toLocal.isEmpty ? false : try send()
    }

    private mutating func send() throws(LivemigError) -> Bool {
        let pending = unsafe toLocal.pending
        let count = unsafe Glibc.send(local.number, pending.baseAddress, pending.count, Self.flags)
        if count >= 0 {
            toLocal.start += count
            return count > 0
        }
        // Nobody will ever read this output: let the command notice, as a pipe would.
        if try isGone("send") {
            isLocalGone = true
            channel.abandon()
        }
        return false
    }

    /// Whether the call failed because the local peer has gone; false when it would only block.
    private func isGone(_ call: String) throws(LivemigError) -> Bool {
        switch Errno(rawValue: errno) {
        case .wouldBlock, .interrupted: false
        case .brokenPipe, .connectionReset: true
        case let reason: throw SystemCall.failure(call, reason, at: channel.session.endpoint.name)
        }
    }

    // MARK: Waiting

    private mutating func sleep(since mark: UInt64) throws(LivemigError) {
        var events: Int32 = 0
        let canReceive = toRemote.isEmpty && !toRemote.hasEnded && !channel.isClosed
        if canReceive { events |= POLLIN }
        if !toLocal.isEmpty { events |= POLLOUT }
        // With no event to wait for, a socket that is hung up would still end every poll at once.
        let interest = events == 0 ? nil : Poll.Interest(local.number, events)
        let session = channel.session
        let waits = session.hasUnsent || !toRemote.isEmpty
        var patience = waits ? self.patience ?? WritePatience(session) : nil
        patience?.note(session)
        let isQuiet = try !session.wait(since: mark, until: patience?.next, or: interest)
        if isQuiet, patience?.isOver(session) == true {
            let endpoint = session.endpoint
            throw LivemigError(
                .stall, "nothing accepted for \(endpoint.stallTimeout.brief)", at: endpoint.place)
        }
        self.patience = patience
    }
}

/// One direction of a pump: bytes on their way, and how far its end has come.
@safe
private struct Flow: ~Copyable {
    let buffer = HeapBuffer(count: SSHChannel.pieceSize)
    var start = 0
    var end = 0
    /// Nothing more comes after what is pending.
    var hasEnded = false
    /// The receiving side was told of the end.
    var isPassedOn = false

    var isEmpty: Bool { start == end }

    /// Ends the flow: nobody takes what is pending or comes after.
    mutating func discard() {
        start = end
        hasEnded = true
        isPassedOn = true
    }

    /// Valid while the flow lives and is not refilled.
    var pending: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes[start..<end])
    }
}
