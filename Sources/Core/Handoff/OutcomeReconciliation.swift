public import MigrationModel

/// What a failure comes to, once the hosts have said where the guest is.
///
/// The word of the commit can be lost with whoever had it to say: then a move that seems to have
/// failed has not.
public enum OutcomeReconciliation {
    /// An ending whose code fits the place of the guest.
    ///
    /// - Parameters:
    ///   - ending: what was heard.
    ///   - guest: where the records say that the guest is; `nil` when nobody was asked.
    ///   - destination: where it was to go.
    public static func ending(
        _ ending: ControllerMove.Ending, _ guest: GuestLocation?, to destination: HostName
    ) -> ControllerMove.Ending {
        guard case .failed(let error) = ending, let guest else { return ending }
        let fix = "run livemig recover \(guest.vm)"
        if guest.host == destination.text, error.code.exitCode != .committed {
            return .failed(
                LivemigError(
                    .cleanup, "the guest is on \(destination), but \(error.what)", at: error.place,
                    fix: fix, guest: error.guest))
        }
        if guest.host.isEmpty, error.code.exitCode != .inTransfer,
            error.code.exitCode != .committed
        {
            return .failed(
                LivemigError(
                    .inTransfer, "it is not certain who may run the guest: \(error.what)",
                    at: error.place, fix: fix, guest: error.guest))
        }
        return ending
    }
}
