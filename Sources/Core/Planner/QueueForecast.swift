public import MigrationModel

extension MoveQueue {
    /// How long moves would take together, gone through on paper: each begins when the queue lets
    /// it, and ends after its own time.
    ///
    /// - Parameters:
    ///   - moves: in the order in which they are submitted; of each guest one.
    ///   - limits: how many there may be at once; slots that others have stay theirs, but for the
    ///     last of a kind.
    ///   - durations: how long each takes; one that is missing takes no time.
    public static func span(
        of moves: [Move], limits: Limits, durations: [VMUUID: Duration]
    ) -> Duration {
        var queue = MoveQueue(limits: limits.besideOthers)
        var now = Duration.zero
        var ends: [(time: Duration, guest: VMUUID)] = []
        func begin(_ actions: [Action]) {
            for case .start(let move) in actions {
                ends.append((now + (durations[move.uuid] ?? .zero), move.uuid))
            }
        }
        for move in moves { begin((try? queue.submit(move)) ?? []) }
        while let next = ends.indices.min(by: { ends[$0].time < ends[$1].time }) {
            let end = ends.remove(at: next)
            now = end.time
            begin(queue.finished(end.guest, .succeeded))
        }
        return now
    }
}
