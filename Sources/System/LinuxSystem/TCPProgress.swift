import CLinux

/// What the kernel knows of a TCP connection.
public enum TCPProgress {
    /// How many bytes the peer's kernel has acknowledged (tcp(7), `TCP_INFO`); 0 where it cannot be
    /// asked.
    public static func acknowledgedBytes(of socket: CInt) -> UInt64 {
        var bytes: UInt64 = 0
        _ = unsafe clinux_tcp_acknowledged(socket, &bytes)
        return bytes
    }
}
