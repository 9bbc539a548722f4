/// An IPv4 or IPv6 network in CIDR form (RFC 4632, RFC 4291): the bits behind the prefix are zero.
public struct Subnet: Hashable, Sendable, CustomStringConvertible {
    /// The network's first address.
    public let base: IPAddress
    /// How many bits all its addresses share.
    public let prefix: Int

    /// Joins both; `nil` for a prefix that is too long, or with bits of the address behind it.
    public init?(_ base: IPAddress, prefix: Int) {
        guard (0...8 * base.bytes.count).contains(prefix),
            Self.network(of: base, prefix) == base.bytes
        else { return nil }
        self.base = base
        self.prefix = prefix
    }

    /// Reads such text as `10.77.0.0/24` or `fd00:77::/64`.
    /// - Throws: `E-USAGE`.
    public init(_ text: String) throws(LivemigError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let base = IPAddress(parts[0]),
            let prefix = Int(digits: parts[1], atMost: 3), String(prefix) == parts[1],
            prefix <= 8 * base.bytes.count
        else {
            throw LivemigError(
                .usage, "\(text.escaped()) is not a subnet", fix: "write such as 10.77.0.0/24")
        }
        guard let subnet = Subnet(base, prefix: prefix) else {
            throw LivemigError(
                .usage, "\(text.escaped()) is an address inside a subnet",
                fix: "clear the bits behind /\(prefix)")
        }
        self = subnet
    }

    /// Whether an address lies in it; never one of the other family.
    public func contains(_ address: IPAddress) -> Bool {
        Self.network(of: address, prefix) == base.bytes
    }

    /// Such as `10.77.0.0/24`.
    public var description: String { "\(base)/\(prefix)" }

    /// The address with the bits behind the prefix cleared.
    private static func network(of address: IPAddress, _ prefix: Int) -> [UInt8] {
        address.bytes.enumerated().map { index, byte in
            let kept = min(max(prefix - 8 * index, 0), 8)
            return byte & ~UInt8(truncatingIfNeeded: 0xFF >> kept)
        }
    }
}
