/// The story of a seed, a line for each event.
struct Trace {
    /// Whether lines are kept; without, only a count is.
    let isKept: Bool
    private(set) var lines: [String] = []
    private(set) var count = 0

    init(isKept: Bool) { self.isKept = isKept }

    mutating func note(_ time: Int, _ who: String, _ what: @autoclosure () -> String) {
        count += 1
        guard isKept else { return }
        let clock = "\(time / 1000).\(String(time % 1000 + 1000).dropFirst())"
        let pad = { (text: String, width: Int) in
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        lines.append("\(pad(clock, 8)) \(pad(who, 14)) \(what())")
    }
}
