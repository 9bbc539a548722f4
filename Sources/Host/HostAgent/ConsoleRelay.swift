import Glibc
import LinuxSystem
import MigrationModel
import WireProtocol

/// Connects a controller to a guest's first serial port.
final class ConsoleRelay: Sendable {
    private let socket: OwnedDescriptor
    private let output: WorkerThread<Void>

    /// Connects, and sends what the guest writes until it ends or the controller has gone.
    init(socket path: String, to sink: FrameSink) throws(LivemigError) {
        socket = try UnixSocket.connect(path, .stream, as: .notRunning)
        let reading = OwnedDescriptorBox(try socket.duplicate())
        output = WorkerThread("console") {
            while true {
                let bytes = try DescriptorIO.readAvailable(
                    upTo: 4096, from: reading.descriptor.number)
                if bytes.isEmpty { break }
                try sink.send(ConsoleOutput(bytes: bytes))
            }
            try sink.send(DoneMessage())
        }
    }

    /// Types bytes at the guest.
    func type(_ bytes: [UInt8]) throws(LivemigError) {
        try DescriptorIO.write(bytes, to: socket.number, at: "console")
    }

    /// Ends the connection.
    func end() {
        _ = shutdown(socket.number, CInt(SHUT_RDWR))
        _ = try? output.join()
    }
}
