/// The pages of a guest that are not the same on both hosts: how many, and the first of them.
public struct DifferingPages: Hashable, Sendable, CustomStringConvertible {
    /// How many pages differ.
    public private(set) var count: UInt64 = 0
    /// The numbers of the first of them, ascending, at most `limit`; a page has 4 KiB.
    public private(set) var first: [UInt64] = []

    /// How many pages are named.
    public static let limit = 16

    /// No page differs.
    public init() {}

    /// What a peer states: at most `limit` ascending numbers, and all of them where there are no
    /// more.
    /// - Returns: `nil` for what contradicts itself.
    public init?(count: UInt64, first: [UInt64]) {
        guard UInt64(first.count) == min(count, UInt64(Self.limit)),
            zip(first, first.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        self.count = count
        self.first = first
    }

    /// Whether all pages are the same.
    public var isEmpty: Bool { count == 0 }

    /// Adds a page beyond those added before.
    public mutating func add(_ page: UInt64) {
        count += 1
        if first.count < Self.limit { first.append(page) }
    }

    /// Such as `2 pages differ: 17, 4711`, or `40 pages differ: 1, 2, …` with 16 numbers.
    public var description: String {
        guard !isEmpty else { return "no page differs" }
        let numbers = first.map(String.init).joined(separator: ", ")
        let rest = count > UInt64(first.count) ? ", …" : ""
        return count == 1
            ? "1 page differs: \(numbers)" : "\(count) pages differ: \(numbers)\(rest)"
    }
}
