import MigrationModel

/// How many different pages a guest writes in a span of time.
///
/// Straight lines through the measured windows. Past the longest window, the unfavourable curve
/// goes on as steeply as the last line; the favourable one levels off: each further window as long
/// as the last line brings as much less as the last one did. Both stop at the working set.
struct DirtyCurve {
    private var points: [(seconds: Double, pages: Double)] = [(0, 0)]
    /// Pages a second past the last point.
    private var slope = 0.0
    /// The most pages that are added past the last point.
    private var headroom = Double.infinity
    private let bound: Double

    /// The end of the measurements that a curve is drawn through.
    enum End: CaseIterable {
        case favourable, unfavourable
    }

    init(_ measurements: Measurements, _ end: End) {
        let populated = measurements.populatedPages
        bound = Double(min(populated, measurements.workingSetPages ?? populated))
        for window in measurements.windows.sorted(by: { $0.length < $1.length }) {
            let seconds = window.length.seconds
            guard seconds > 0, let last = points.last else { continue }
            let range = window.dirtiedPages
            let pages = Double(end == .favourable ? range.lowerBound : range.upperBound)
            let least = min(bound, max(pages, last.pages))
            if seconds == last.seconds { points.removeLast() }
            points.append((seconds, least))
        }
        extend(end)
    }

    private mutating func extend(_ end: End) {
        guard points.count > 1 else {
            // Nothing was measured: between nothing and all at once.
            points = end == .favourable ? [(0, 0)] : [(0, bound)]
            headroom = 0
            return
        }
        let (last, before) = (points[points.count - 1], points[points.count - 2])
        slope = (last.pages - before.pages) / (last.seconds - before.seconds)
        guard end == .favourable else { return }
        guard points.count > 2 else {
            // One window does not say whether the guest goes on to write other pages.
            headroom = 0
            return
        }
        let earlier = points[points.count - 3]
        let slopeBefore = (before.pages - earlier.pages) / (before.seconds - earlier.seconds)
        guard slopeBefore > 0, slope < slopeBefore else { return }
        let ratio = slope / slopeBefore
        headroom = (last.pages - before.pages) * ratio / (1 - ratio)
    }

    /// How many pages are written in so many seconds.
    func pages(in seconds: Double) -> Double {
        guard let last = points.last, seconds < last.seconds else { return beyond(seconds) }
        var low = points[0]
        for high in points.dropFirst() {
            if seconds <= high.seconds {
                let share = (seconds - low.seconds) / (high.seconds - low.seconds)
                return low.pages + share * (high.pages - low.pages)
            }
            low = high
        }
        return low.pages
    }

    private func beyond(_ seconds: Double) -> Double {
        guard let last = points.last else { return 0 }
        let straight = slope * (seconds - last.seconds)
        guard headroom.isFinite else { return min(bound, last.pages + straight) }
        guard headroom > 0, straight > 0 else { return min(bound, last.pages) }
        return min(bound, last.pages + straight * headroom / (headroom + straight))
    }
}
