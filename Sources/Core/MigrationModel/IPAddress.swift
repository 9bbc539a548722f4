import Glibc

/// An IPv4 or IPv6 address, without a zone.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// The 4 or 16 bytes, as they go over the network.
    public let bytes: [UInt8]

    /// Takes 4 or 16 bytes; `nil` for any other number.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads four decimal numbers, or an IPv6 address (RFC 4291, section 2.2); `nil` for other
    /// text.
    public init?(_ text: String) {
        guard text.utf8.count < Int(INET6_ADDRSTRLEN), !text.utf8.contains(0) else { return nil }
        let isIPv6 = text.utf8.contains(UInt8(ascii: ":"))
        var bytes = [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe inet_pton(isIPv6 ? AF_INET6 : AF_INET, text, buffer.baseAddress)
        }
        guard result == 1 else { return nil }
        self.bytes = bytes
    }

    /// Whether other hosts can use it as it is written: neither loopback, nor link-local, nor
    /// unspecified (RFC 6890).
    public var isUsableByPeers: Bool {
        guard bytes.count == 4 else {
            let isLinkLocal = bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80
            return !isLinkLocal && bytes.dropLast().contains { $0 != 0 }
        }
        return bytes[0] != 0 && bytes[0] != 127 && !bytes.starts(with: [169, 254])
    }

    /// The usual text, the short one for IPv6 (RFC 5952).
    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        _ = unsafe inet_ntop(
            bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
