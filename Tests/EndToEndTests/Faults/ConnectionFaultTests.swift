import MigrationModel
import TestSupport
import Testing

/// Moves over connections that break, at every stage before the commit.
///
/// Where a fault strikes is a number of bytes of a connection, taken from a move without faults:
/// the same bytes carry the same step each time. The guest's device state is a megabyte that goes
/// over the link in the switchover, before `FINAL`; so the middle of the link is the middle of the
/// switchover.
@Suite(.serialized) struct ConnectionFaultTests {
    private static let workload =
        "fill=12MiB ws=512KiB rate=1MiB/s content=random zero=0 writers=2 state=1MiB"

    /// What somebody hears who only notices that the other has gone.
    private static let broken: Set<ErrorCode> = [
        .disconnected, .connectDropped, .connect, .io, .hello, .wire,
    ]

    // Breaks when a connection that ends in the middle costs the guest, its memory or the right to
    // run, leaves something behind, or stands in the way of the next move.
    @Test(.timeLimit(.minutes(5))) func cutAnywhere() throws {
        let faulty = try FaultyHosts(try TwoHosts(), workload: Self.workload)
        let (link, lanes, peers) = (faulty.link, faulty.dataLanes, faulty.peers)
        let (round, switchover) = (faulty.laneBytes / 2, faulty.linkBytes / 2)
        let plans: [(String, FaultProxy.Plan)] = [
            ("before a byte of any", .init(.cut, after: 0, on: peers)),
            ("in the key exchange", .init(.cut, after: 1200, on: peers)),
            ("in the answers of the key exchange", .init(.cut, after: 900, on: peers, .toClient)),
            ("at the start of round 0", .init(.cut, after: 64 << 10, on: lanes)),
            ("in round 0", .init(.cut, after: round, on: lanes)),
            ("in round 0, by a reset", .init(.reset, after: round, on: lanes)),
            ("in the switchover", .init(.cut, after: switchover, on: link)),
            ("in the switchover, by a reset", .init(.reset, after: switchover, on: link)),
        ]
        for (name, plan) in plans {
            try faulty.expectRefused([plan], "cut \(name)", Self.broken)
        }
    }

    // Breaks when an end of one direction is taken for something else than an end, or SSH lets
    // bytes through that are not those that were sent.
    @Test(.timeLimit(.minutes(5))) func damagedAnywhere() throws {
        let faulty = try FaultyHosts(try TwoHosts(), workload: Self.workload)
        let (link, lanes) = (faulty.link, faulty.dataLanes)
        let (round, switchover) = (faulty.laneBytes / 2, faulty.linkBytes / 2)
        let plans: [(String, FaultProxy.Plan)] = [
            ("a half-close in round 0", .init(.halfClose, after: round, on: lanes)),
            ("a flipped bit in round 0", .init(.flip(bit: 3), after: round, on: lanes)),
            ("a replay in round 0", .init(.replay(bytes: 4096), after: round, on: lanes)),
            ("a flipped bit in the switchover", .init(.flip(bit: 0), after: switchover, on: link)),
            ("a replay in the switchover", .init(.replay(bytes: 300), after: switchover, on: link)),
        ]
        for (name, plan) in plans {
            try faulty.expectRefused([plan], name, Self.broken)
        }
    }

    // Breaks when silence, in one direction or both, is waited for without limit, or is called
    // something else.
    @Test(.timeLimit(.minutes(5))) func silentAnywhere() throws {
        let faulty = try FaultyHosts(try TwoHosts(), workload: Self.workload)
        let silence: Set<ErrorCode> = [.stall, .blackout]
        try faulty.expectRefused(
            [.init(.vanish, after: faulty.laneBytes / 2, on: faulty.dataLanes)],
            "pages that vanish", silence)
        try faulty.expectRefused(
            [.init(.stall, after: faulty.linkBytes / 2, on: faulty.link)],
            "a stall in the switchover", silence)
    }

    // Breaks when answers that do not arrive are waited for without limit, or the guest is given to
    // a destination that cannot be heard.
    @Test(.timeLimit(.minutes(3))) func answersThatVanish() throws {
        let faulty = try FaultyHosts(try TwoHosts(), workload: Self.workload)
        let run = try faulty.move(striking: .vanish, .toClient, on: faulty.link)
        try faulty.expectFailure(run, "answers of the link", [.stall])
        try faulty.moveCleanly()
    }

    // Breaks when a move needs the answers of its destination to the controller, or the controller
    // waits without limit for a source that it cannot hear, or says of it what is not true.
    @Test(.timeLimit(.minutes(3))) func controllerThatHearsNothing() throws {
        let faulty = try FaultyHosts(try TwoHosts(), workload: Self.workload)
        for direction in FaultProxy.Direction.allCases {
            let run = try faulty.move(striking: .vanish, direction, on: 0..<faulty.link.lowerBound)
            try faulty.expectMoved(run, [.success], "destination, \(direction)")
        }
        for direction in FaultProxy.Direction.allCases {
            let run = try faulty.move(striking: .vanish, direction, on: 0..<1, at: faulty.source)
            // The hosts finish; the source's last word does not arrive.
            try faulty.expectMoved(
                run, direction == .toClient ? [.committed] : [.success], "source, \(direction)")
        }
    }

    // Breaks when a connection that is only slow or far is given up.
    @Test(.timeLimit(.minutes(2))) func slowButWhole() throws {
        let faulty = try FaultyHosts(try TwoHosts(), workload: Self.workload)
        faulty.proxy.restart()
        for direction in FaultProxy.Direction.allCases {
            faulty.proxy.plan(.init(.delay(.milliseconds(10)), on: 0..<(.max), direction))
        }
        faulty.proxy.plan(
            .init(.throttle(Bandwidth(bytesPerSecond: 8 << 20)), on: faulty.dataLanes))
        try faulty.moveAsPlanned()
    }
}
