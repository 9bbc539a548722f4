import MigrationModel
import TestSupport
import Testing

/// Bytes that are damaged between SSH and the destination's agent, on their way to it or back, where
/// no SSH sees it: only livemig's own checksums can.
@Suite(.serialized) struct DamagedLaneTests {
    private static let workload =
        "fill=12MiB ws=512KiB rate=1MiB/s content=random zero=0 writers=2 state=1MiB"

    private struct Case {
        let name: String
        let connection: LaneFilter.Connection
        let offset: Int
        let damage: LaneFilter.Damage
        var side = LaneFilter.Side.input
    }

    private static let cases = [
        Case(name: "introduction", connection: .link, offset: 60, damage: .flip),
        Case(name: "introduction of a lane", connection: .lane, offset: 60, damage: .flip),
        Case(name: "round 0", connection: .lane, offset: 3 << 20, damage: .flip),
        Case(name: "round 0 again", connection: .lane, offset: 3 << 20, damage: .replay),
        Case(name: "device state", connection: .link, offset: 500_000, damage: .flip),
        Case(name: "less device state", connection: .link, offset: 500_000, damage: .lose),
        Case(
            name: "acceptance of the link", connection: .link, offset: 40, damage: .flip,
            side: .answers),
        Case(
            name: "acceptance of a lane", connection: .lane, offset: 50, damage: .flip,
            side: .answers),
        Case(name: "answers", connection: .link, offset: 120, damage: .flip, side: .answers),
        Case(name: "less answers", connection: .link, offset: 120, damage: .lose, side: .answers),
        Case(
            name: "answers again", connection: .link, offset: 160, damage: .replay, side: .answers),
    ]

    // Breaks when a flipped, repeated or lost byte on the link or on a lane is not noticed before
    // the guest is given away, or costs more than the move.
    @Test(.timeLimit(.minutes(4))) func isNoticed() throws {
        let filter = try LaneFilter()
        let hosts = try TwoHosts(trusting: false)
        try hosts.beta.trust(hosts.alpha, agent: filter.program)
        try hosts.alpha.trust(hosts.beta, agent: filter.program)
        let faulty = try FaultyHosts(hosts, workload: Self.workload)
        for this in Self.cases {
            try filter.damage(this.connection, this.side, after: this.offset, this.damage)
            let run = try faulty.begin().finish()
            try filter.passEverything()
            try faulty.expectFailure(run, this.name, [.wire, .disconnected])
            try faulty.moveCleanly()
        }
    }
}

/// A program in the place of a peer's forced command, which damages what the agent reads or writes.
final class LaneFilter {
    enum Connection: String {
        /// The first of a move.
        case link
        /// All others.
        case lane
    }

    enum Side {
        /// What comes from the source.
        case input
        /// What goes back to it.
        case answers

        /// How bash lets the bytes pass through `damaged`.
        fileprivate var redirection: String {
            switch self {
            case .input: "< <(damaged 2>/dev/null)"
            case .answers: "> >(damaged 2>/dev/null)"
            }
        }
    }

    enum Damage {
        /// The highest bit of one byte.
        case flip
        /// The last 4096 bytes come again.
        case replay
        /// 100 bytes are missing.
        case lose

        /// Run by bash, reading the connection after the bytes that pass, which are in `$passed`.
        fileprivate var commands: String {
            switch self {
            case .flip: #"head -c 1 | LC_ALL=C tr '\000-\377' '\200-\377\000-\177'"#
            case .replay: #"tail -c 4096 "$passed""#
            case .lose: "head -c 100 >/dev/null"
            }
        }
    }

    private let folder: ScratchFolder
    private let agent: String
    private var moves = 0

    /// The program to authorize.
    var program: String { folder.path("lane") }

    init() throws {
        folder = try ScratchFolder()
        agent = try BuildProducts.program("livemig-agent")
        try passEverything()
    }

    /// Lets the next moves through.
    func passEverything() throws {
        try folder.write("#!/bin/bash\nexec '\(agent)' \"$@\"\n", to: "lane", mode: 0o755)
    }

    /// Damages the next move.
    ///
    /// - Parameters:
    ///   - connection: which connection.
    ///   - side: which way the bytes go.
    ///   - count: how many bytes pass whole.
    ///   - damage: what happens then.
    func damage(
        _ connection: Connection, _ side: Side, after count: Int, _ damage: Damage
    ) throws {
        moves += 1
        // What writes into the agent's input must hold nothing else of the session, or sshd would
        // wait for it; and it must pass bytes on as they come.
        try folder.write(
            """
            #!/bin/bash
            passed=$(mktemp '\(folder.path)/passed.XXXXXX')
            damaged() { stdbuf -o0 head -c \(count) | tee "$passed"; \(damage.commands); exec cat; }
            if mkdir '\(folder.path("link-\(moves)"))' 2>/dev/null; then this=link; else this=lane; fi
            if [ "$this" = \(connection.rawValue) ]; then
                exec '\(agent)' "$@" \(side.redirection)
            fi
            exec '\(agent)' "$@"

            """, to: "lane", mode: 0o755)
    }
}
