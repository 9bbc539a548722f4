import Glibc
import LinuxSystem

/// One who looks at a guest's console.
struct ConsoleUser {
    /// How much output waits for a user before some is dropped, in bytes.
    static let limit = 256 << 10

    private let socket: OwnedDescriptorBox
    /// What the user has not taken yet.
    private var waiting: [UInt8] = []
    /// How many bytes were dropped since.
    private var dropped = 0
    /// Whether what the user types reaches the guest.
    var canType: Bool
    /// Whether the user has left.
    var hasGone = false

    init(_ socket: OwnedDescriptorBox, canType: Bool) {
        self.socket = socket
        self.canType = canType
    }

    var number: CInt { socket.descriptor.number }

    /// Whether the user has not taken all.
    var isBehind: Bool { !hasGone && (!waiting.isEmpty || dropped > 0) }

    /// Adds output; what there is no room for is dropped and counted.
    mutating func give(_ bytes: [UInt8]) {
        guard !hasGone else { return }
        guard dropped == 0, waiting.count + bytes.count <= Self.limit else {
            dropped += bytes.count
            return
        }
        waiting += bytes
    }

    /// Sends what the user takes without waiting.
    mutating func flush() {
        if waiting.isEmpty, dropped > 0 {
            waiting = Array("\r\n[livemig: \(dropped) bytes of output dropped]\r\n".utf8)
            dropped = 0
        }
        guard !waiting.isEmpty else { return }
        guard let count = NonblockingSocket.send(waiting[...], to: number) else {
            hasGone = true
            return
        }
        waiting.removeFirst(count)
    }
}

/// Calls on a stream socket that never wait.
enum NonblockingSocket {
    /// Receives what is there: nothing at the stream's end, `nil` when nothing has come.
    static func receive(from socket: CInt, atMost limit: Int = 64 << 10) -> [UInt8]? {
        var count = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, size in
            unsafe count = recv(socket, buffer.baseAddress, limit, CInt(MSG_DONTWAIT))
            size = max(0, count)
        }
        if count < 0, errno == EAGAIN || errno == EINTR { return nil }
        return bytes
    }

    /// Sends what is taken: how many bytes that was, `nil` when the other end has gone.
    static func send(_ bytes: ArraySlice<UInt8>, to socket: CInt) -> Int? {
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(
                socket, $0.baseAddress, $0.count,
                CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
        }
        if sent < 0 { return errno == EAGAIN || errno == EINTR ? 0 : nil }
        return sent
    }
}
