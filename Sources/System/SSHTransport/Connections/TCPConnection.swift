import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// A connected TCP socket for SSH: non-blocking, without delay, noticing a dead peer.
///
/// libssh could connect by itself, but would lose the reason of a failure, could not be bound to a
/// deadline, and would set no time-outs on the socket.
///
/// The addresses of a name are tried side by side (RFC 8305): the next one begins 250 ms after the
/// last, or as soon as one has failed, and the first connection wins.
struct TCPConnection {
    let endpoint: SSHEndpoint
    let deadline: MonotonicTime
    var interrupt: CInt?

    /// RFC 8305, section 5: the Connection Attempt Delay.
    private static let attemptDelay = Duration.milliseconds(250)
    /// How many addresses of a name are tried.
    private static let addressLimit = 16

    /// Why no connection came about, and whether it makes sense to try again at once.
    struct Failure: Error {
        var error: LivemigError
        var isPassing: Bool
    }

    /// Connects to the first address that answers.
    func open() throws(Failure) -> OwnedDescriptor {
        let found = try resolve(endpoint.address, port: endpoint.port).filter {
            endpoint.family == nil || $0.family == endpoint.family
        }
        guard !found.isEmpty else {
            throw failure("the name has no address", isPassing: false)
        }
        var race = ConnectionRace(SocketAddress.interleaved(found).prefix(Self.addressLimit))
        while true {
            if race.isDue { start(&race) }
            if let winner = race.takeWinner() { return winner }
            if race.isOver { throw failure(race) }
            try wait(&race)
        }
    }

    /// Begins with the next address.
    private func start(_ race: inout ConnectionRace) {
        guard let address = race.next() else { return }
        race.nextStart = .now + Self.attemptDelay
        do throws(Failure) {
            let socket: OwnedDescriptor
            do throws(LivemigError) {
                socket = try makeSocket(address.family)
            } catch {
                throw failure(error)
            }
            if let local = endpoint.bindAddress { try bind(socket, to: local, like: address) }
            let number = socket.number
            let result = unsafe address.withPointer { unsafe Glibc.connect(number, $0, $1) }
            if result == 0 { return race.win(socket) }
            guard errno == EINPROGRESS || errno == EINTR else {
                return race.lose(address, Errno(rawValue: errno))
            }
            race.add(socket, address)
        } catch {
            race.lose(address, error.error.what, nil)
        }
    }

    /// Waits until a connection stands, has failed, or the next address is due.
    private func wait(_ race: inout ConnectionRace) throws(Failure) {
        let end = race.hasMore ? min(deadline, race.nextStart) : deadline
        var interests = race.sockets.map { Poll.Interest($0, POLLOUT) }
        if let interrupt { interests.append(.init(interrupt)) }
        let ready: [CInt]
        do throws(LivemigError) {
            ready = try Poll.wait(interests, timeout: max(.zero, end - .now))
        } catch {
            throw failure(error)
        }
        if let interrupt, ready.contains(interrupt) {
            let error = LivemigError(
                .cancelled, "connection ended on request", at: endpoint.name)
            throw Failure(error: error, isPassing: false)
        }
        race.settle(ready)
        if deadline <= .now { race.giveUp("no answer within \(endpoint.connectTimeout.brief)") }
    }

    private func failure(_ reason: String, isPassing: Bool) -> Failure {
        let error = LivemigError(
            .connect, "cannot connect to \(endpoint.socketAddress): \(reason)", at: endpoint.name,
            fix: deadline <= .now
                ? "the host may be off, behind a firewall, or overloaded: check address and port, or "
                    + "raise its connectTimeout"
                : "check that sshd runs there and that address and port are right")
        return Failure(error: error, isPassing: isPassing)
    }

    private func failure(_ error: LivemigError) -> Failure {
        failure(error.explanation, isPassing: false)
    }

    /// Every address with its own reason, where there are several.
    private func failure(_ race: borrowing ConnectionRace) -> Failure {
        let reasons = race.losses.map { loss in
            race.losses.count > 1 || loss.address.text != endpoint.address
                ? "\(loss.address.text): \(loss.reason)" : loss.reason
        }
        return failure(
            reasons.joined(separator: "; "),
            isPassing: race.losses.allSatisfy { $0.number == .connectionRefused })
    }

    /// Asks for the addresses of a name, on a thread of its own: getaddrinfo(3) knows no limit.
    private func resolve(_ name: String, port: Int) throws(Failure) -> [SocketAddress] {
        guard (0...65535).contains(port) else {
            throw failure("no such port", isPassing: false)
        }
        let resolver = WorkerThread("resolver") { SocketAddress.all(of: name, port: port) }
        guard let answer = try? resolver.result(by: deadline)?.get() else {
            throw failure(
                "the name was not resolved within \(endpoint.connectTimeout.brief)",
                isPassing: false)
        }
        switch answer {
        case .success(let addresses): return addresses
        case .failure(let reason): throw failure(reason.text, isPassing: false)
        }
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

    /// Makes a dead peer an error in the end.
    ///
    /// Keepalive probes for an idle connection, TCP_USER_TIMEOUT for one with data in flight
    /// (tcp(7)). The latter is no more than a net:
    /// whoever writes counts silence himself, over all connections of the path.
    private func configure(_ socket: borrowing OwnedDescriptor) throws(LivemigError) {
        let limit = CInt(clamping: min(3_600_000, Int(endpoint.stallTimeout.milliseconds)))
        let options: [(level: CInt, name: CInt, value: CInt)] = [
            (CInt(IPPROTO_TCP), TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1),
            (CInt(IPPROTO_TCP), TCP_KEEPIDLE, max(1, limit / 2000)),
            (CInt(IPPROTO_TCP), TCP_KEEPINTVL, max(1, limit / 5000)),
            (CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, limit * 2),
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
