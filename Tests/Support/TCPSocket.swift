import Glibc
public import LinuxSystem
public import MigrationModel

/// TCP connections of a test, from its own network or from a namespace.
public enum TCPSocket {
    /// Connects to an IPv4 address.
    ///
    /// - Parameters:
    ///   - address: such as `127.0.0.1`.
    ///   - port: 1–65535.
    ///   - namespace: where the connection comes from; `nil` for the test's own network.
    public static func connect(
        to address: String, port: Int, in namespace: NetworkNamespace? = nil
    ) throws(LivemigError) -> OwnedDescriptor {
        guard let namespace else { return try connect(to: address, port: port) }
        // A socket stays in the namespace that it was made in.
        let number = try namespace.run { () throws(LivemigError) in
            try connect(to: address, port: port).release()
        }
        return OwnedDescriptor(owning: number)
    }

    private static func connect(
        to address: String, port: Int
    ) throws(LivemigError) -> OwnedDescriptor {
        let socket = OwnedDescriptor(
            owning: try SystemCall.check("socket") {
                Glibc.socket(
                    AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        guard unsafe inet_pton(AF_INET, address, &target.sin_addr) == 1 else {
            throw LivemigError(.usage, "not an IPv4 address", at: address.escaped())
        }
        let number = socket.number
        try SystemCall.check("connect", at: "\(address):\(port)", as: .connect) {
            unsafe withUnsafePointer(to: &target) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe Glibc.connect(
                        number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        return socket
    }
}
