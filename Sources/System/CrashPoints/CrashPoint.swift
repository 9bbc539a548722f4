/// The named half-steps of a move, at each of which everything that takes part can be killed or
/// stopped by the tests.
///
/// Only programs built with the package trait `CrashPoints` know them; in others reaching one is
/// nothing at all.
public enum CrashPoint: String, CaseIterable, Sendable {
    // The controller
    case controllerSurveyed, controllerPrepared, controllerStarted, controllerHeardCommit
    case controllerHeardMoved, controllerClosed

    // The source's agent
    case sourceAsked, sourceBegun, sourceTracking, sourceLinkOpen, sourceLanesOpen
    case sourceFirstRound, sourceRoundPlaced, sourceConverged, sourceMachineReady
    case sourceStopped, sourceLastPagesClaimed, sourceStateSaved, sourceAllSent, sourceFinalSent
    case sourceReadyHeard, sourceReleased, sourceTokenSent, sourceAcknowledged, sourceCleaned
    case sourceAudits, sourceReported

    // The destination's agent
    case destinationAsked, destinationAdmitted, destinationListening, destinationArmed
    case destinationPrepared, destinationLinkOpen, destinationLaneOpen, destinationMachineReady
    case destinationRoundPlaced, destinationFinalHeard, destinationCompared, destinationLoaded
    case destinationReady, destinationReadySent, destinationTokenHeard, destinationOwns
    case destinationAcknowledged, destinationAudits, destinationDone

    // A guardian: around every record and every effect on the guest
    case beforeIntent, afterIntent, beforeReleased, afterReleased, beforeGone, afterGone
    case beforeArmed, afterArmed, beforeReady, afterReady, beforeOwner, afterOwner
    case beforeAborted, afterAborted
    case deadlineArmed, beforeStop, afterStop, beforeSave, afterSave, beforeLoad, afterLoad
    case beforeResume, afterResume, beforeDestroy, afterDestroy, beforeLaunch, afterLaunch
    case afterAnnounce

    // A guest that is saved or restored: the agent's part done, and the guardian's decision
    case savingWritten, savingKept, restoringPlaced, restoringSpent

    /// Says that the program has come here.
    @inline(__always)
    public static func reach(_ point: @autoclosure () -> CrashPoint) {
        #if CrashPoints
        CrashPointFiles.reach(point())
        #endif
    }
}
