/// A set of pages, one bit for each page of guest RAM: 32 KiB per GiB.
///
/// Pages are harvested into it, and handed out to lanes in ascending order.
public struct PageBitmap: Sendable {
    private var words: [UInt64]
    /// The number of pages that can be members.
    public let pageCount: Int
    /// The number of pages that are members.
    public private(set) var count = 0

    /// The empty set over a guest's pages.
    public init(pageCount: Int) {
        precondition(pageCount >= 0, "a page count is not negative")
        self.pageCount = pageCount
        words = Array(repeating: 0, count: (pageCount + 63) / 64)
    }

    /// Whether no page is a member.
    public var isEmpty: Bool { count == 0 }

    /// Whether a page is a member.
    public func contains(_ page: Int) -> Bool {
        precondition(page < pageCount, "page beyond guest RAM")
        return words[page / 64] & 1 << (page % 64) != 0
    }

    /// Adds a run of pages; members among them stay members.
    public mutating func insert(_ pages: Range<Int>) {
        precondition(pages.lowerBound >= 0 && pages.upperBound <= pageCount, "run beyond guest RAM")
        var page = pages.lowerBound
        while page < pages.upperBound {
            let bit = page % 64
            let length = min(64 - bit, pages.upperBound - page)
            let mask = (length == 64 ? UInt64.max : (1 << length) - 1) << bit
            count += (mask & ~words[page / 64]).nonzeroBitCount
            words[page / 64] |= mask
            page += length
        }
    }

    /// Removes every member.
    public mutating func removeAll() {
        for index in words.indices { words[index] = 0 }
        count = 0
    }

    /// Adds every member of another set over the same pages.
    public mutating func formUnion(_ other: PageBitmap) {
        precondition(pageCount == other.pageCount, "sets over different guests")
        for index in words.indices where other.words[index] != 0 {
            count += (other.words[index] & ~words[index]).nonzeroBitCount
            words[index] |= other.words[index]
        }
    }

    /// Removes every member of another set over the same pages.
    public mutating func subtract(_ other: PageBitmap) {
        precondition(pageCount == other.pageCount, "sets over different guests")
        for index in words.indices {
            count -= (other.words[index] & words[index]).nonzeroBitCount
            words[index] &= ~other.words[index]
        }
    }

    /// Moves a position past the next members, or to `pageCount`.
    public func skipMembers(from position: inout Int, count: Int) {
        var left = count
        while position < pageCount, left > 0 {
            let word = words[position / 64] & (.max << (position % 64))
            let found = word.nonzeroBitCount
            if found <= left {
                left -= found
                position = position / 64 * 64 + 64
            } else {
                var rest = word
                for _ in 0..<left { rest &= rest - 1 }
                position = position / 64 * 64 + rest.trailingZeroBitCount
                left = 0
            }
        }
        position = min(position, pageCount)
    }

    /// Appends the next members from a position on, in ascending order.
    ///
    /// - Parameters:
    ///   - position: where to go on; moved past the last member appended, or to `pageCount`.
    ///   - limit: how many members at most.
    ///   - pages: receives the page numbers; never grows beyond its reserved capacity of `limit`.
    public func appendMembers(from position: inout Int, limit: Int, to pages: inout [UInt64]) {
        var left = limit
        while position < pageCount, left > 0 {
            var word = words[position / 64] & (.max << (position % 64))
            let first = position / 64 * 64
            position = first + 64
            while word != 0 {
                if left == 0 {
                    position = first + word.trailingZeroBitCount
                    return
                }
                pages.append(UInt64(first + word.trailingZeroBitCount))
                word &= word - 1
                left -= 1
            }
        }
        position = min(position, pageCount)
    }

    /// The runs of members, in ascending order.
    public var runs: [Range<Int>] {
        var result: [Range<Int>] = []
        for (index, word) in words.enumerated() where word != 0 {
            for bit in 0..<64 where word & 1 << bit != 0 {
                let page = index * 64 + bit
                if let last = result.last, last.upperBound == page {
                    result[result.count - 1] = last.lowerBound..<page + 1
                } else {
                    result.append(page..<page + 1)
                }
            }
        }
        return result
    }
}
