import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// A connected TCP socket for SSH: non-blocking, without delay, noticing a dead peer.
///
/// libssh could connect by itself, but would lose the reason of a failure, could not be bound to a
/// deadline, and would set no time-outs on the socket.
struct TCPConnection {
    let endpoint: SSHEndpoint
    let deadline: MonotonicTime

    /// Why no connection came about, and whether it makes sense to try again at once.
    struct Failure: Error {
        var error: LivemigError
        var isPassing: Bool
    }

    /// Connects to the first address that answers.
    func open() throws(Failure) -> OwnedDescriptor {
        let addresses = try resolve(endpoint.address, port: endpoint.port)
        var last = failure("the name has no address", isPassing: false)
        for address in addresses {
            do throws(Failure) {
                return try connect(to: address)
            } catch {
                last = error
            }
        }
        throw last
    }

    private func failure(_ reason: String, isPassing: Bool) -> Failure {
        let error = LivemigError(
            .connect, "cannot connect to \(endpoint.socketAddress): \(reason)", at: endpoint.name,
            fix: "check that sshd runs there and that address and port are right")
        return Failure(error: error, isPassing: isPassing)
    }

    private func failure(_ error: LivemigError) -> Failure {
        failure(error.explanation, isPassing: false)
    }

    private func resolve(_ name: String, port: Int) throws(Failure) -> [SocketAddress] {
        guard (0...65535).contains(port) else {
            throw failure("no such port", isPassing: false)
        }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(name, String(port), &hints, &list)
        guard status == 0 else {
            throw failure(unsafe string(gai_strerror(status)), isPassing: false)
        }
        defer { unsafe freeaddrinfo(list) }
        var result: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            if let address = unsafe SocketAddress(entry.pointee) { result.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        return result
    }

    private func connect(to address: SocketAddress) throws(Failure) -> OwnedDescriptor {
        let socket: OwnedDescriptor
        do throws(LivemigError) {
            socket = try makeSocket(address.family)
        } catch {
            throw failure(error)
        }
        if let local = endpoint.bindAddress { try bind(socket, to: local, like: address) }
        let number = socket.number
        let result = unsafe address.withPointer { unsafe Glibc.connect(number, $0, $1) }
        if result != 0 {
            guard errno == EINPROGRESS || errno == EINTR else { throw failure(errno) }
            try waitUntilConnected(socket)
        }
        return socket
    }

    private func makeSocket(_ family: CInt) throws(LivemigError) -> OwnedDescriptor {
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = OwnedDescriptor(
            owning: try SystemCall.check("socket") {
                Glibc.socket(family, kind, CInt(IPPROTO_TCP))
            })
        try configure(socket)
        return socket
    }

    private func failure(_ reason: CInt) -> Failure {
        failure("\(Errno(rawValue: reason))", isPassing: reason == ECONNREFUSED)
    }

    private func waitUntilConnected(_ socket: borrowing OwnedDescriptor) throws(Failure) {
        do throws(LivemigError) {
            let left = max(.zero, deadline - .now)
            let ready = try Poll.wait([.init(socket.number, POLLOUT)], timeout: left)
            guard !ready.isEmpty else {
                throw LivemigError(.connect, "no answer within \(endpoint.connectTimeout.brief)")
            }
        } catch {
            throw failure(error)
        }
        var reason: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        let status = unsafe getsockopt(socket.number, SOL_SOCKET, SO_ERROR, &reason, &size)
        guard status == 0, reason == 0 else { throw failure(status == 0 ? reason : errno) }
    }

    private func bind(
        _ socket: borrowing OwnedDescriptor, to local: String, like remote: SocketAddress
    ) throws(Failure) {
        let candidates = try resolve(local, port: 0).filter { $0.family == remote.family }
        guard let address = candidates.first else {
            throw failure(
                "\(local.escaped()) cannot be the local end of it", isPassing: false)
        }
        let number = socket.number
        let status = unsafe address.withPointer { unsafe Glibc.bind(number, $0, $1) }
        guard status == 0 else {
            throw failure("from \(local): \(Errno(rawValue: errno))", isPassing: false)
        }
    }

    /// Keepalive probes for an idle connection, TCP_USER_TIMEOUT for one with data in flight
    /// (tcp(7)): either way a dead peer is an error after the stall time-out.
    private func configure(_ socket: borrowing OwnedDescriptor) throws(LivemigError) {
        let limit = CInt(clamping: Int(endpoint.stallTimeout.milliseconds))
        let options: [(level: CInt, name: CInt, value: CInt)] = [
            (CInt(IPPROTO_TCP), TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1),
            (CInt(IPPROTO_TCP), TCP_KEEPIDLE, max(1, limit / 2000)),
            (CInt(IPPROTO_TCP), TCP_KEEPINTVL, max(1, limit / 5000)),
            (CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, limit),
        ]
        let number = socket.number
        for option in options {
            var value = option.value
            try SystemCall.check("setsockopt(\(option.name))") {
                unsafe setsockopt(
                    number, option.level, option.name, &value,
                    socklen_t(MemoryLayout<CInt>.size))
            }
        }
    }
}

/// One address of a name, as getaddrinfo(3) gave it.
private struct SocketAddress {
    let family: CInt
    private let bytes: [UInt8]

    init?(_ entry: addrinfo) {
        guard let address = unsafe entry.ai_addr else { return nil }
        family = unsafe entry.ai_family
        bytes = unsafe Array(
            UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))
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
