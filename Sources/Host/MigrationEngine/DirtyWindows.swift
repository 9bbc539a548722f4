public import GuestMemory
public import MigrationModel

/// Counts the pages that a guest writes in windows of several lengths, from harvests one after the
/// other.
///
/// Two windows in a row make one of twice the length, and so on: each harvest is used at every
/// length, and no more than one set of pages is kept for each.
public struct DirtyWindows: Sendable {
    /// Windows of one length.
    private struct Level {
        /// The first of two that will make one of twice the length.
        var waiting: (pages: PageBitmap, length: Duration)?
        var count = 0
        var sum = Duration.zero
        var least = UInt64.max
        var most: UInt64 = 0

        mutating func note(_ pages: UInt64, _ length: Duration) {
            count += 1
            sum += length
            least = min(least, pages)
            most = max(most, pages)
        }
    }

    private var levels: [Level] = []
    /// Every page that was written in any of them.
    public private(set) var written: PageBitmap

    /// Begins without a window.
    public init(pageCount: Int) { written = PageBitmap(pageCount: pageCount) }

    /// Adds the next harvest.
    ///
    /// - Parameters:
    ///   - pages: what was written since the one before.
    ///   - length: how long ago that was.
    public mutating func add(_ pages: PageBitmap, length: Duration) {
        written.formUnion(pages)
        var window = (pages: pages, length: length)
        for number in 0... {
            if number == levels.count { levels.append(Level()) }
            levels[number].note(UInt64(window.pages.count), window.length)
            guard let first = levels[number].waiting else {
                levels[number].waiting = window
                return
            }
            levels[number].waiting = nil
            window.pages.formUnion(first.pages)
            window.length += first.length
        }
    }

    /// The windows, shortest first: the mean length, and the least and the most pages.
    public var windows: [GuestMeasurement.Window] {
        levels.map { level in
            GuestMeasurement.Window(
                length: level.sum / level.count, dirtiedPages: level.least...level.most)
        }
    }
}
