import Glibc
public import MigrationModel

/// The addresses of this machine's network interfaces (getifaddrs(3)).
public enum InterfaceAddresses {
    /// Those that other hosts can use, of interfaces that are up, in the system's order.
    public static func usableByPeers() throws(LivemigError) -> [IPAddress] {
        var first: UnsafeMutablePointer<ifaddrs>?
        try SystemCall.check("getifaddrs") { unsafe getifaddrs(&first) }
        defer { unsafe freeifaddrs(first) }
        var found: [IPAddress] = []
        var next = unsafe first
        while let entry = unsafe next {
            let isUp = unsafe entry.pointee.ifa_flags & UInt32(IFF_UP) != 0
            if isUp, let address = unsafe address(entry.pointee.ifa_addr),
                address.isUsableByPeers, !found.contains(address)
            {
                found.append(address)
            }
            unsafe next = entry.pointee.ifa_next
        }
        return found
    }

    /// The address in a socket address; `nil` for one of another family.
    private static func address(_ address: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        guard let address = unsafe address else { return nil }
        let raw = UnsafeRawPointer(address)
        switch CInt(unsafe address.pointee.sa_family) {
        case AF_INET:
            let internet = unsafe raw.loadUnaligned(as: sockaddr_in.self).sin_addr
            return unsafe withUnsafeBytes(of: internet) { unsafe IPAddress(bytes: Array($0)) }
        case AF_INET6:
            let internet = unsafe raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
            return unsafe withUnsafeBytes(of: internet) { unsafe IPAddress(bytes: Array($0)) }
        default: return nil
        }
    }
}
