import MigrationModel

/// The time limits of a move that depend on each other, for all who take part.
///
/// Time never moves the right to run: a limit ends waiting, and what that means is up to records.
/// Beside each limit stands what it has to outlast; `inequalities` states it for tests.
public enum HandoffLimits {
    // MARK: Between the hosts

    /// The longest silence on the link; probes are answered far more often.
    public static let linkSilence: Duration = .seconds(10)
    /// How often the source asks for an answer on the link.
    public static let probeInterval: Duration = .seconds(2)
    /// How long the destination's hypervisor may take to start, and the source to open its lanes.
    ///
    /// It counts from the link on: before it, the source may have a hook to run.
    public static let preparation: Duration = .seconds(30)
    /// How long the last pages may take to arrive after the source has sent them.
    public static let lastPages: Duration = .seconds(30)
    /// The longest the guest may stand still before the hand-over is abandoned and it runs on.
    public static let blackout: Duration = MigrationPolicy.blackoutLimit
    /// How long the destination may take to say that it has given up.
    public static let refusal: Duration = .seconds(5)
    /// How often the token is sent until it is acknowledged.
    public static let tokenInterval: Duration = .milliseconds(100)
    /// How long an acknowledgement is waited for before the controller is told.
    public static let acknowledgement: Duration = .seconds(10)

    // MARK: On a host

    /// How often a guest is tried to be resumed whose disk another process holds.
    public static let resumeInterval: Duration = .milliseconds(100)
    /// How long a guardian that is done may take to end.
    public static let guardianEnd: Duration = .seconds(10)

    // MARK: At the controller

    /// The longest silence of a source that copies: it says five times a second how far it is,
    /// until its own limits on a silent link and on the blackout have ended the move.
    public static let sourceSilence: Duration = .seconds(20)
    /// How long the destination may take to give its reason when the source has only noticed that
    /// something broke, or knows it from the destination.
    public static let reason: Duration = .seconds(2)
    /// How long the source may take to notice that the destination has failed: its own limits on a
    /// silent lane and on the blackout end before.
    public static let notice: Duration = .seconds(20)
    /// How long the destination may take to finish when the source cannot be heard any more.
    public static let finish: Duration = .seconds(10)

    /// What must hold between limits, in words; each is true.
    public static let inequalities: [(rule: String, holds: Bool)] = [
        ("several probes fit a silence of the link", probeInterval * 3 < linkSilence),
        (
            "a source notices a silent link, or the end of the blackout, and has the refusal, before "
                + "the controller gives up waiting for it to notice",
            max(linkSilence, blackout) + refusal < notice
        ),
        (
            "a source that copies speaks before the controller takes it for silent",
            linkSilence + refusal < sourceSilence
        ),
        (
            "a token is sent many times before its sender gives up",
            tokenInterval * 50 < acknowledgement
        ),
        (
            "a link that breaks is noticed while the token is repeated",
            linkSilence <= acknowledgement
        ),
        ("a destination has its reason before it is no longer waited for", reason < finish),
        ("a host prepares longer than a link may be silent", linkSilence < preparation),
    ]
}
