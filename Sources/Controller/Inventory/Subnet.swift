import Glibc
public import MigrationModel

/// Subnets in CIDR form (RFC 4632, RFC 4291).
public enum Subnet {
    /// An IPv4 or IPv6 network with the bits behind its prefix zero.
    /// - Throws: `E-USAGE`.
    public static func check(_ text: String) throws(LivemigError) {
        guard let (address, prefix) = parsed(text) else {
            throw LivemigError(
                .usage, "\(text.escaped()) is not a subnet", fix: "write such as 10.77.0.0/24")
        }
        let hostBits = address.enumerated().contains { index, byte in
            let kept = min(max(prefix - 8 * index, 0), 8)
            return byte & UInt8(truncatingIfNeeded: 0xFF >> kept) != 0
        }
        guard !hostBits else {
            throw LivemigError(
                .usage, "\(text.escaped()) is an address inside a subnet",
                fix: "clear the bits behind /\(prefix)")
        }
    }

    /// The bytes of the address and the length of the prefix; `nil` for text that is neither
    /// family.
    private static func parsed(_ text: String) -> (address: [UInt8], prefix: Int)? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard parts.count == 2, text.utf8.count <= 49, !text.utf8.contains(0),
            (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(digits.contains),
            parts[1] == "0" || parts[1].first != "0", let prefix = Int(parts[1])
        else { return nil }
        let isIPv6 = parts[0].contains(":")
        var address = [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)
        guard prefix <= 8 * address.count else { return nil }
        let result = unsafe address.withUnsafeMutableBytes { buffer in
            unsafe inet_pton(isIPv6 ? AF_INET6 : AF_INET, String(parts[0]), buffer.baseAddress)
        }
        return result == 1 ? (address, prefix) : nil
    }
}
