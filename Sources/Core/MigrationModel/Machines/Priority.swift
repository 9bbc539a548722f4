/// What goes first in a drain, a way back and a queue; `medium` unless somebody says otherwise.
public struct Priority: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number: higher ones go first.
    public let number: Int

    /// The numbers that are priorities.
    public static let range = 0...9999

    /// Goes last.
    public static let low = Priority(unchecked: 1000)
    /// The default.
    public static let medium = Priority(unchecked: 2000)
    /// Goes first.
    public static let high = Priority(unchecked: 3000)

    private static let named = [("low", low), ("medium", medium), ("high", high)]

    private init(unchecked number: Int) { self.number = number }

    /// Accepts a number in `range`.
    /// - Throws: `E-RANGE` for any other.
    public init(_ number: Int) throws(LivemigError) {
        guard Self.range.contains(number) else {
            throw LivemigError(
                .range, "priority \(number) is outside \(Self.words)",
                fix: "write low, medium, high or a number of \(Self.words)")
        }
        self.number = number
    }

    /// Reads `low`, `medium`, `high` or a number.
    /// - Throws: `E-RANGE` for anything else.
    public init(parsing text: String) throws(LivemigError) {
        if let (_, priority) = Self.named.first(where: { $0.0 == text }) {
            self = priority
        } else if let number = Int(text) {
            try self.init(number)
        } else {
            throw LivemigError(
                .range, "not a priority: \(text.escaped())",
                fix: "write low, medium, high or a number of \(Self.words)")
        }
    }

    private static var words: String { "\(range.lowerBound)–\(range.upperBound)" }

    /// What goes last orders first.
    public static func < (left: Priority, right: Priority) -> Bool { left.number < right.number }

    /// `low`, `medium`, `high`, or the number.
    public var description: String {
        Self.named.first { $0.1 == self }?.0 ?? String(number)
    }
}
