import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel

/// Serves a reference guest's control socket, one client after another; a client that vanishes
/// leaves the guest as it is.
struct GuestControl: ~Copyable {
    private let machine: GuestMachine
    private let parameters: WorkloadParameters
    private let listener: OwnedDescriptor

    init(
        _ machine: GuestMachine, _ parameters: WorkloadParameters, socket: String
    ) throws(LivemigError) {
        self.machine = machine
        self.parameters = parameters
        listener = try UnixSocket.listen(socket, .packets, backlog: 4)
    }

    /// Serves until a client says quit; throws when the socket itself fails.
    func run() throws(LivemigError) {
        while true {
            do {
                guard let client = try UnixSocket.accept(listener) else { continue }
                guard try serve(client.number) else { return }
            } catch {
                switch error.code {
                case .disconnected: continue
                default: throw error
                }
            }
        }
    }

    /// Serves one client until it goes.
    /// - Returns: whether to serve another one.
    private func serve(_ client: CInt) throws(LivemigError) -> Bool {
        while true {
            var packet = try Packet.receive(from: client)
            guard !packet.bytes.isEmpty else { return true }
            let descriptor = packet.takeDescriptor()
            var number: UInt64 = 0
            let result: Result<String, LivemigError>
            do {
                let request: ControlRequest
                (number, request) = try ControlRequest.parse(packet.bytes)
                if request == .quit { return false }
                result = .success(try perform(request, descriptor, client))
            } catch {
                result = .failure(error)
            }
            try Packet.send(ControlReply(number: number, result).encoded, to: client)
        }
    }

    private func perform(
        _ request: ControlRequest, _ descriptor: consuming OwnedDescriptor?, _ client: CInt
    ) throws(LivemigError) -> String {
        switch request {
        case .status: return machine.status.rawValue
        case .stop: machine.stop()
        case .resume: try machine.resume()
        case .save(let deadline): try save(to: descriptor, deadline, client)
        case .load(let deadline): try load(from: descriptor, deadline)
        case .verify: return try machine.verify().text
        case .steps:
            let (beats, steps) = machine.steps
            return "\(beats): " + steps.map(String.init).joined(separator: " ")
        case .poweroff: try machine.powerOff()
        case .poke(let page): try machine.poke(page)
        case .rate(let rate): machine.setRate(rate)
        case .quit: break
        }
        return ""
    }

    // MARK: Device state

    /// Writes the state; gives up at the deadline, or when the client that asked has gone.
    private func save(
        to descriptor: consuming OwnedDescriptor?, _ deadline: UInt64, _ client: CInt
    ) throws(LivemigError) {
        guard let descriptor else { throw LivemigError(.wire, "save without a descriptor") }
        let bytes = try machine.deviceState()
        var done = 0
        while done < bytes.count {
            let left = MonotonicTime(nanoseconds: deadline) - .now
            let ready = try Poll.wait(
                [.init(descriptor.number, POLLOUT), .init(client, 0)], timeout: left)
            guard !ready.contains(client) else {
                throw LivemigError(.disconnected, "the client that asked for the state has gone")
            }
            guard !ready.isEmpty else {
                throw LivemigError(
                    .timeout, "device state: \(done) of \(bytes.count) bytes taken in time")
            }
            done += try SystemCall.check("send", at: "device state", as: .disconnected) {
                unsafe bytes.withUnsafeBytes {
                    unsafe Self.send(descriptor.number, .init(rebasing: $0[done...]))
                }
            }
        }
    }

    /// Sends what fits without waiting; a socket that is full again takes 0 bytes.
    private static func send(_ socket: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let sent = unsafe Glibc.send(socket, bytes.baseAddress, bytes.count, flags)
        return sent < 0 && errno == EAGAIN ? 0 : sent
    }

    /// Loads a state; a guest that refuses one ends, as QEMU does.
    private func load(
        from descriptor: consuming OwnedDescriptor?, _ deadline: UInt64
    ) throws(LivemigError) {
        try machine.requireIncoming()
        guard let descriptor else { throw LivemigError(.wire, "load without a descriptor") }
        do {
            let bytes = try read(descriptor.number, until: MonotonicTime(nanoseconds: deadline))
            let faults = parameters.faults
            if faults.loadDelay > 0 { _ = usleep(UInt32(faults.loadDelay) * 1000) }
            if faults.crashesAtLoad { _ = kill(getpid(), SIGKILL) }
            try machine.load(bytes)
        } catch {
            GuestProgram.fail(error)
        }
    }

    /// Reads until the stream ends, or one byte more than a state has.
    private func read(
        _ descriptor: CInt, until deadline: MonotonicTime
    ) throws(LivemigError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: parameters.stateSize + 1)
        var done = 0
        while done < bytes.count {
            let left = max(.zero, deadline - .now)
            let count = try unsafe bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(LivemigError) in
                    try unsafe DescriptorIO.read(
                        into: .init(rebasing: buffer[done...]), from: descriptor, stall: left,
                        at: "device state")
                }
            }.get()
            if count == 0 { break }
            done += count
        }
        return Array(bytes.prefix(done))
    }
}

extension GuestImage.Difference {
    /// Such as `2: 17 40`.
    var text: String { "\(count): " + first.map(String.init).joined(separator: " ") }
}
