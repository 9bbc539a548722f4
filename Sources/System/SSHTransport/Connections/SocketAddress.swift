import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// One address of a name, as getaddrinfo(3) gave it.
struct SocketAddress: Sendable {
    let family: CInt
    /// The address in numbers, with its scope.
    let text: String
    private let bytes: [UInt8]

    /// Why a name has no address.
    struct Failure: Error {
        let text: String
    }

    private init?(_ entry: addrinfo) {
        guard let address = unsafe entry.ai_addr else { return nil }
        family = unsafe entry.ai_family
        bytes = unsafe Array(
            UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))
        var name = [CChar](repeating: 0, count: 256)
        let status = unsafe getnameinfo(
            address, entry.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST)
        text =
            status == 0
            ? String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            : "?"
    }

    /// The addresses of a name, best first; blocks as long as the resolver likes.
    static func all(of name: String, port: Int) -> Result<[SocketAddress], Failure> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(name, String(port), &hints, &list)
        guard status == 0 else {
            return .failure(Failure(text: unsafe string(gai_strerror(status))))
        }
        defer { unsafe freeaddrinfo(list) }
        var result: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            if let address = unsafe SocketAddress(entry.pointee) { result.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        return .success(result)
    }

    /// The addresses with their families in turn (RFC 8305, section 4).
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let first = addresses.first?.family else { return [] }
        var (left, right) = (
            addresses.filter { $0.family == first }[...],
            addresses.filter { $0.family != first }[...]
        )
        var result: [SocketAddress] = []
        while !left.isEmpty || !right.isEmpty {
            if let address = left.popFirst() { result.append(address) }
            if let address = right.popFirst() { result.append(address) }
        }
        return result
    }

    func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var storage = sockaddr_storage()
        return unsafe withUnsafeMutablePointer(to: &storage) { storage in
            let size = min(bytes.count, MemoryLayout<sockaddr_storage>.size)
            unsafe UnsafeMutableRawBufferPointer(start: storage, count: size)
                .copyBytes(from: bytes.prefix(size))
            return unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(size))
            }
        }
    }
}

/// Connections to several addresses that are under way at once.
struct ConnectionRace: ~Copyable {
    /// An address that did not answer well, and why.
    struct Loss {
        let address: SocketAddress
        let reason: String
        let number: Errno?
    }

    private var waiting: ArraySlice<SocketAddress>
    private var running: [(socket: CInt, address: SocketAddress)] = []
    private var winner: CInt?
    private(set) var losses: [Loss] = []
    /// When the next address is due.
    var nextStart = MonotonicTime.now

    init(_ addresses: ArraySlice<SocketAddress>) { waiting = addresses }

    deinit {
        for entry in running { close(entry.socket) }
        if let winner { close(winner) }
    }

    /// Whether addresses are left that were not begun with.
    var hasMore: Bool { !waiting.isEmpty }
    /// Whether to begin with the next address.
    var isDue: Bool { hasMore && (running.isEmpty || nextStart <= .now) }
    /// Whether nothing can come any more.
    var isOver: Bool { winner == nil && running.isEmpty && waiting.isEmpty }
    /// The sockets that are connecting.
    var sockets: [CInt] { running.map(\.socket) }

    mutating func next() -> SocketAddress? { waiting.popFirst() }

    mutating func add(_ socket: consuming OwnedDescriptor, _ address: SocketAddress) {
        running.append((socket.release(), address))
    }

    mutating func win(_ socket: consuming OwnedDescriptor) {
        if let winner { close(winner) }
        winner = socket.release()
    }

    mutating func lose(_ address: SocketAddress, _ reason: Errno) {
        lose(address, "\(reason)", reason)
    }

    mutating func lose(_ address: SocketAddress, _ reason: String, _ number: Errno?) {
        losses.append(Loss(address: address, reason: reason, number: number))
        nextStart = .now
    }

    /// Sees how the sockets that are ready have fared (connect(2), EINPROGRESS).
    mutating func settle(_ ready: [CInt]) {
        for entry in running where ready.contains(entry.socket) {
            running.removeAll { $0.socket == entry.socket }
            let socket = OwnedDescriptor(owning: entry.socket)
            var reason: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            let status = unsafe getsockopt(socket.number, SOL_SOCKET, SO_ERROR, &reason, &size)
            if status == 0, reason == 0 {
                win(socket)
            } else {
                lose(entry.address, Errno(rawValue: status == 0 ? reason : errno))
            }
        }
    }

    /// Ends what is under way or was not begun.
    mutating func giveUp(_ reason: String) {
        for entry in running {
            close(entry.socket)
            lose(entry.address, reason, nil)
        }
        running = []
        while let address = waiting.popFirst() { lose(address, "not tried in time", nil) }
    }

    mutating func takeWinner() -> OwnedDescriptor? {
        guard let number = winner else { return nil }
        winner = nil
        return OwnedDescriptor(owning: number)
    }
}
