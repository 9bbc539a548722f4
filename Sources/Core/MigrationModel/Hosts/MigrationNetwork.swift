/// A subnet that migration traffic should take.
public struct MigrationNetwork: Hashable, Sendable {
    /// The subnet.
    public var subnet: Subnet
    /// Lower numbers are preferred.
    public var priority: Int
    /// How many moves may use it at a time; `nil` where it has no limit of its own.
    public var moves: Int?

    /// The priorities there are.
    public static let priorities = 0...65535
    /// The priority of a network for which none is stated.
    public static let defaultPriority = 1

    /// States a network.
    public init(_ subnet: Subnet, priority: Int = defaultPriority, moves: Int? = nil) {
        self.subnet = subnet
        self.priority = priority
        self.moves = moves
    }

    /// Reads `10.77.0.0/24`, or `10.77.0.0/24=2` with a priority.
    /// - Throws: `E-USAGE` for the subnet, `E-RANGE` for the priority.
    public init(parsing text: String) throws(LivemigError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(try Subnet(String(parts[0])))
        if parts.count > 1 { priority = try Self.priority(parsing: String(parts[1])) }
    }

    /// Reads a priority: one to five decimal digits.
    /// - Throws: `E-RANGE`.
    public static func priority(parsing text: String) throws(LivemigError) -> Int {
        guard let priority = Int(digits: text, atMost: 5) else {
            throw LivemigError(.range, "\(text.escaped()) is not a priority")
        }
        try check(priority: priority)
        return priority
    }

    /// A priority from 0 to 65535.
    /// - Throws: `E-RANGE`.
    public static func check(priority: Int) throws(LivemigError) {
        guard priorities.contains(priority) else {
            throw LivemigError(.range, "priority \(priority) is outside 0 to 65535")
        }
    }

    /// A number of moves from 1 to 255.
    /// - Throws: `E-RANGE`.
    public static func check(moves: Int) throws(LivemigError) {
        guard HostPolicy.moveLimits.contains(moves) else {
            throw LivemigError(
                .range, "\(moves) moves at a time on a network are outside 1 to 255",
                fix: "remove the network to keep moves off it")
        }
    }
}
