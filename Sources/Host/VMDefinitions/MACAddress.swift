import MigrationModel

/// Ethernet addresses as text.
enum MACAddress {
    /// The address in lower case; `nil` unless it is six octets, unicast and not zero.
    static func normalised(_ text: String) -> String? {
        let octets = text.split(separator: ":", omittingEmptySubsequences: false)
        let values = octets.compactMap { octet in
            octet.utf8.count == 2 && octet.first != "+" ? UInt8(octet, radix: 16) : nil
        }
        guard octets.count == 6, values.count == 6, values[0] & 1 == 0,
            values.contains(where: { $0 != 0 })
        else { return nil }
        return text.lowercased()
    }

    static func refusal(_ text: String) -> LivemigError {
        LivemigError(
            .xmlSchema, "illegal MAC address \(text.escaped())",
            fix: "write a unicast address such as 52:54:00:12:34:56")
    }

    /// An address in QEMU's range 52:54:00 that is always the same for a VM's interface: FNV-1a
    /// (RFC 9923) of the UUID, the index and the attempt, so that both hosts agree without asking.
    /// - Parameter taken: addresses of the other interfaces; the first attempt outside is used.
    static func generated(for uuid: VMUUID, index: Int, taken: Set<String>) -> String {
        var attempt = 0
        while true {
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in "\(uuid) \(index) \(attempt)".utf8 {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
            let digits = hash.hexadecimal.suffix(6)
            let address = digits.enumerated().reduce(into: "52:54:00") { result, digit in
                result += (digit.offset.isMultiple(of: 2) ? ":" : "") + String(digit.element)
            }
            if !taken.contains(address) { return address }
            attempt += 1
        }
    }
}
