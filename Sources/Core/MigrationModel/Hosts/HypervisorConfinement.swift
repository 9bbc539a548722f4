/// User numbers set aside for hypervisors, one for each VM.
public struct HypervisorUserRange: Hashable, Sendable, CustomStringConvertible {
    /// The first and the last number.
    public let ids: ClosedRange<UInt32>

    /// What a range may contain: below are the system's own users (useradd(8), `UID_MIN`), and the
    /// last number but one of 32 bits is the largest that is a user (setreuid(2)).
    public static let limits: ClosedRange<UInt32> = 1000...4_294_967_293

    /// Names a range.
    /// - Throws: `E-RANGE` when it is empty or leaves `limits`.
    public init(_ first: UInt32, _ last: UInt32) throws(LivemigError) {
        guard first <= last, Self.limits.contains(first), Self.limits.contains(last) else {
            throw LivemigError(
                .range, "\(first)-\(last) is not a range of user numbers",
                fix: "write two numbers from \(Self.limits.lowerBound) up, the smaller first")
        }
        ids = first...last
    }

    /// Reads `200000-265535`.
    /// - Throws: `E-USAGE` for another form, `E-RANGE`.
    public init(parsing text: String) throws(LivemigError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = Int(digits: String(parts[0]), atMost: 10),
            let last = Int(digits: String(parts[1]), atMost: 10)
        else {
            throw LivemigError(
                .usage, "\(text.escaped()) is not a range of user numbers",
                fix: "write such as 200000-265535")
        }
        try self.init(UInt32(clamping: first), UInt32(clamping: last))
    }

    /// Such as `200000-265535`.
    public var description: String { "\(ids.lowerBound)-\(ids.upperBound)" }
}

/// What a guest's interface of type `user` reaches, whose packets QEMU sends as its own.
public enum UserNetworking: UInt8, CaseIterable, Sendable {
    /// The guest has the interface, and reaches nothing by it (qemu(1), `restrict=on`).
    case restricted = 1
    /// The guest reaches what the host reaches, services on the host's loopback addresses included.
    case open = 2
    /// A guest with such an interface neither starts here nor comes here.
    case refused = 3

    /// How options and files write it.
    public var word: String {
        switch self {
        case .restricted: "restricted"
        case .open: "open"
        case .refused: "refused"
        }
    }
}
