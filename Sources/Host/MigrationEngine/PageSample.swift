public import GuestMemory
import PageCodec

/// Blocks of pages, as lanes claim them, spread evenly over a set of pages.
public struct PageSample: Hashable, Sendable {
    /// Pages, ascending, at most `BatchLimits.pages` in each block.
    public let blocks: [[UInt64]]

    /// Chooses blocks.
    ///
    /// - Parameters:
    ///   - pages: the set.
    ///   - limit: how many pages at most; all of them where there are fewer.
    public init(of pages: PageBitmap, limit: Int) {
        let count = max(1, limit / BatchLimits.pages)
        // Blocks are spread over the members, of which a set may have few, far apart.
        let skip = max(0, pages.count / count - BatchLimits.pages)
        var blocks: [[UInt64]] = []
        var position = 0
        var block: [UInt64] = []
        while blocks.count < count {
            block.removeAll(keepingCapacity: true)
            pages.appendMembers(from: &position, limit: BatchLimits.pages, to: &block)
            if block.isEmpty { break }
            blocks.append(block)
            pages.skipMembers(from: &position, count: skip)
        }
        self.blocks = blocks
    }

    /// The part of a lane, of several that share the sample.
    public func part(of lane: Int, among lanes: Int) -> [[UInt64]] {
        blocks.indices.filter { $0 % lanes == lane }.map { blocks[$0] }
    }
}
