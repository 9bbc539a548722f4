/// How a move shall behave: what the operator may choose, with the defaults.
public struct MigrationPolicy: Hashable, Sendable {
    /// What happens when the move does not converge, or the time is over.
    public enum Fallback: UInt8, Hashable, Sendable, CaseIterable {
        /// Give up; the guest goes on running on the source.
        case abort = 1
        /// Switch over all the same, with a downtime beyond the limit.
        case pause = 2
    }

    /// How pages are compressed on their way.
    public enum Compression: UInt8, Hashable, Sendable, CaseIterable {
        /// Whatever moves pages fastest, by measurement.
        case auto = 1
        case none = 2
        case lz4 = 3
        case zstd = 4

        /// The word that the operator writes and reads.
        public var word: String {
            switch self {
            case .auto: "auto"
            case .none: "none"
            case .lz4: "lz4"
            case .zstd: "zstd"
            }
        }
    }

    /// How page data reaches the destination.
    public enum Path: UInt8, Hashable, Sendable, CaseIterable {
        /// By SSH connections from the source's agent to the destination.
        case direct = 1
        /// Through the controller, where the hosts cannot reach each other.
        case relay = 2
    }

    /// How the copy of the guest's memory is verified.
    public enum Verification: UInt8, Hashable, Sendable, CaseIterable {
        /// Every frame has a checksum, and no more is compared.
        case frame = 1
        /// What was placed last for each page is compared with what was sent last, before the
        /// commit.
        case pages = 2
        /// Besides, what was placed is compared with the source's memory after the commit, when
        /// the guest runs on the destination already.
        case audit = 3
        /// Both memories are hashed and compared before the commit, while the guest stands still.
        case full = 4

        /// The word that the operator writes and reads.
        public var word: String {
            switch self {
            case .frame: "frame"
            case .pages: "pages"
            case .audit: "audit"
            case .full: "full"
            }
        }
    }

    /// The longest stop of the guest to aim for.
    public var maxDowntime: Duration = .milliseconds(300)
    /// The longest time before the switchover.
    public var timeout: Duration = .seconds(30 * 60)
    /// What then.
    public var onTimeout: Fallback = .abort
    /// The most bytes a second on the wire; `nil` for no limit.
    public var bandwidth: Bandwidth?
    /// The number of data lanes, 1–16; `nil` lets the source choose.
    public var lanes: Int?
    /// How pages are compressed.
    public var compression: Compression = .auto
    /// How page data reaches the destination.
    public var path: Path = .direct
    /// Whether a guest that is paused may be moved, to stay paused.
    public var keepPaused = false
    /// How the copy of the guest's memory is verified.
    public var verification: Verification = .pages

    /// The most data lanes of one move.
    public static let laneLimit = 16

    /// The longest the guest may stand still before the hand-over is abandoned and it runs on.
    public static let blackoutLimit: Duration = .seconds(5)

    /// The defaults.
    public init() {}
}
