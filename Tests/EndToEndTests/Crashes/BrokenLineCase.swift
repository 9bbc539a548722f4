#if CrashPoints
import CrashPoints
import TestSupport

/// One way in which connections break in the hand-over: at which half-step, which, and how.
struct BrokenLineCase: Hashable, Sendable, CustomStringConvertible {
    /// Which connections break.
    enum Line: String, CaseIterable, Sendable {
        /// The link and the lanes from source to destination.
        case link
        /// The controller's to the source.
        case toSource
        /// The controller's to the destination.
        case toDestination
        /// All of them, and those that the controller opens afterwards: nobody reaches anybody.
        case everything
    }

    /// How they break.
    enum Break: String, CaseIterable, Sendable {
        case cut, reset, halfClose
        /// Nothing arrives any more, at either end, to which nobody has said so.
        case vanish
        /// The same in one direction only.
        case vanishToServer, vanishToClient

        /// What happens at the proxy, and in which directions.
        var fault: (Fault, [FaultProxy.Direction]) {
            switch self {
            case .cut: (.cut, [.toServer])
            case .reset: (.reset, [.toServer])
            case .halfClose: (.halfClose, [.toServer])
            case .vanish: (.vanish, [.toServer, .toClient])
            case .vanishToServer: (.vanish, [.toServer])
            case .vanishToClient: (.vanish, [.toClient])
            }
        }
    }

    let point: CrashPoint
    let line: Line
    let kind: Break

    var description: String { "\(point): \(line) \(kind)" }

    /// The half-steps from the destination's RDY to the source's GONE, in order, and whether the
    /// program that waits at each is the source's.
    private static let points: [CrashPoint] = [
        .destinationReady, .destinationReadySent, .sourceReadyHeard, .sourceReleased,
        .sourceTokenSent, .destinationTokenHeard, .destinationOwns, .destinationAcknowledged,
        .sourceAcknowledged, .beforeGone,
    ]

    /// Whether the program that comes to the half-step is one of the source's.
    var isSource: Bool { !point.rawValue.hasPrefix("destination") }

    /// Every half-step, with every connection and every way to break.
    static let all: [BrokenLineCase] = points.flatMap { point in
        Line.allCases.flatMap { line in
            Break.allCases.map { BrokenLineCase(point: point, line: line, kind: $0) }
        }
    }
}
#endif
