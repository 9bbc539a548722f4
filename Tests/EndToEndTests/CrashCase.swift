#if CrashPoints
import CrashPoints
import MigrationModel

/// One crash: where a move is when it happens, who is hit, and how.
struct CrashCase: Hashable, Sendable, CustomStringConvertible {
    /// Whose program reaches the point.
    enum Side: Hashable, Sendable { case controller, source, destination }

    /// How.
    enum Fault: String, CaseIterable, Sendable {
        /// `kill -9`.
        case killed
        /// Stopped for 5 s, then continued.
        case stopped
    }

    let point: CrashPoint
    let side: Side
    /// Who is hit.
    let victim: MoveParty
    let fault: Fault

    var description: String { "\(side) at \(point): \(victim) \(fault)" }

    /// Every point that a move which goes well passes, with every victim and fault.
    static let all: [CrashCase] = CrashPoint.allCases.flatMap { point in
        sides(of: point).flatMap { side in
            MoveParty.allCases.flatMap { victim in
                Fault.allCases.map {
                    CrashCase(point: point, side: side, victim: victim, fault: $0)
                }
            }
        }
    }

    /// The programs that reach a point in a move that goes well.
    private static func sides(of point: CrashPoint) -> [Side] {
        let name = point.rawValue
        if name.hasPrefix("controller") { return [.controller] }
        if name.hasPrefix("source") { return [.source] }
        if name.hasPrefix("destination") { return [.destination] }
        return switch point {
        case .beforeIntent, .afterIntent, .beforeReleased, .afterReleased, .beforeGone,
            .afterGone, .deadlineArmed, .beforeStop, .afterStop, .beforeSave, .afterSave,
            .beforeDestroy, .afterDestroy:
            [.source]
        // Passed when an attempt is given up.
        case .beforeAborted, .afterAborted: []
        default: [.destination]
        }
    }
}
#endif
