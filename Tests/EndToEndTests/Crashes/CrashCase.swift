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

    /// What kind of move it happens in.
    enum Course: String, Sendable {
        /// It goes well.
        case whole
        /// It takes too long for what is asked: it is given up before the switchover.
        case givenUp
        /// Its memory is compared after the commit.
        case audited

        /// The options of the command.
        ///
        /// What gives a move up is that its first round outlasts its time; a Linux has some 100 MiB
        /// to send.
        func options(_ guest: GuestKind) -> [String] {
            switch (self, guest) {
            case (.whole, _): []
            case (.givenUp, .synthetic):
                ["--bandwidth", "1MiB/s", "--compression", "none", "--timeout", "1s"]
            case (.givenUp, .linux):
                ["--bandwidth", "32MiB/s", "--compression", "none", "--timeout", "1s"]
            case (.audited, _): ["--verify", "audit"]
            }
        }
    }

    let course: Course
    let point: CrashPoint
    let side: Side
    /// Who is hit.
    let victim: MoveParty
    let fault: Fault

    var description: String { "\(course) \(side) at \(point): \(victim) \(fault)" }

    /// Every point of the three courses, with every victim and fault.
    static let all: [CrashCase] =
        CrashPoint.allCases.flatMap { point in
            sides(of: point).flatMap { cases(of: .whole, $0, point) }
        }
        + [.beforeOwner, .afterOwner].flatMap { cases(of: .givenUp, .source, $0) }
        + [.beforeAborted, .afterAborted, .beforeDestroy, .afterDestroy]
        .flatMap { cases(of: .givenUp, .destination, $0) }
        + cases(of: .audited, .source, .sourceAudits)
        + cases(of: .audited, .destination, .destinationAudits)

    private static func cases(
        of course: Course, _ side: Side, _ point: CrashPoint
    ) -> [CrashCase] {
        MoveParty.allCases.filter { isThere($0, course, side, point) }.flatMap { victim in
            Fault.allCases.map {
                CrashCase(course: course, point: point, side: side, victim: victim, fault: $0)
            }
        }
    }

    /// Whether somebody takes part, at a point, for certain.
    ///
    /// A destination's agent is started for every move; guardian and guest come later, and the
    /// source's go once the destination has acknowledged that it owns the guest. What the point's
    /// own side does not wait for may have happened or not.
    private static func isThere(
        _ party: MoveParty, _ course: Course, _ side: Side, _ point: CrashPoint
    ) -> Bool {
        switch party {
        case .controller: true
        case .destinationGuardian: !beforeGuardian.contains(point)
        case .destinationGuest:
            !beforeGuardian.contains(point) && !beforeGuest.contains(point)
                && !(course == .givenUp && side == .destination && point == .afterDestroy)
        case .sourceGuardian: !afterAcknowledgement.contains(point)
        case .sourceGuest:
            !afterAcknowledgement.contains(point)
                && !(course == .whole && point == .afterDestroy)
        case .sourceAgent:
            // A destination gives up, and removes its copy, while the source ends.
            !afterSource.contains(point) && !(course == .givenUp && side == .destination)
        case .destinationAgent: !afterDestination.contains(point)
        }
    }

    private static let beforeGuardian: Set<CrashPoint> = [
        .controllerSurveyed, .destinationAsked, .destinationAdmitted, .destinationListening,
    ]
    private static let beforeGuest: Set<CrashPoint> = [.beforeArmed, .afterArmed, .beforeLaunch]
    private static let afterAcknowledgement: Set<CrashPoint> = [
        .controllerHeardCommit, .controllerHeardMoved, .controllerClosed, .sourceAcknowledged,
        .sourceCleaned, .sourceAudits, .sourceReported, .destinationAcknowledged,
        .destinationAudits, .destinationDone, .afterAnnounce,
    ]
    private static let afterSource: Set<CrashPoint> = [
        .controllerClosed, .destinationAcknowledged, .destinationAudits, .destinationDone,
        .afterAnnounce,
    ]
    private static let afterDestination: Set<CrashPoint> = [
        .controllerClosed, .sourceReported, .afterAnnounce,
    ]

    /// The programs that reach a point in a move that goes well.
    private static func sides(of point: CrashPoint) -> [Side] {
        let name = point.rawValue
        if name.hasSuffix("Audits") { return [] }
        // Of no move.
        if name.hasPrefix("saving") || name.hasPrefix("restoring") { return [] }
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
