import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    /// Messages between the two agents of a move.
    static let peers: [MessageKind] = [
        MessageKind(
            LaneHello(attempt: sampleAttempt, uuid: sampleUUID, lane: 1, lanes: 4),
            Layout.attempt + [
                .fixed("uuid", 16), .fixed("lane", 1, note: "0–16, at most lanes"),
                .fixed("lanes", 1, note: "1–16"),
            ]
        ) { random in
            let lanes = 1 + random.below(16)
            return LaneHello(
                attempt: random.attempt(), uuid: VMUUID(random.bits()),
                lane: random.below(lanes + 1), lanes: lanes)
        },
        MessageKind(empty: LaneAccepted.self),
        MessageKind(
            RoundEnd(round: 3, batches: 4711), [.fixed("round", 4), .fixed("batches", 8)]
        ) { RoundEnd(round: UInt32(truncatingIfNeeded: $0.next()), batches: $0.next()) },
        MessageKind(RoundPlaced(round: 3), [.fixed("round", 4)]) {
            RoundPlaced(round: UInt32(truncatingIfNeeded: $0.next()))
        },
        MessageKind(
            ClockProbe(sent: 123_456_789),
            [
                .fixed("sent", 8, note: "ns"), .text("filler", WireLimits.stateChunk),
            ]
        ) {
            ClockProbe(sent: $0.next(), filler: $0.bytes($0.below(99)))
        },
        MessageKind(
            ClockReply(sent: 123_456_789, answered: 987_654_321, batches: 4711),
            [
                .fixed("sent", 8, note: "ns"), .fixed("answered", 8, note: "ns"),
                .fixed("batches", 8),
            ]
        ) { ClockReply(sent: $0.next(), answered: $0.next(), batches: $0.next()) },
        MessageKind(empty: MachineReady.self),
        MessageKind(
            DeviceState(bytes: Array("QEVM".utf8)), [.text("bytes", WireLimits.stateChunk)]
        ) { DeviceState(bytes: $0.bytes($0.below(5000))) },
        final,
        MessageKind(
            Ready(attempt: sampleAttempt, digest: sampleDigest), Layout.attempt + [Layout.digest]
        ) { Ready(attempt: $0.attempt(), digest: $0.bits()) },
        MessageKind(
            Token(attempt: sampleAttempt, digest: sampleDigest), Layout.attempt + [Layout.digest]
        ) { Token(attempt: $0.attempt(), digest: $0.bits()) },
        MessageKind(
            OwnerAcknowledged(
                attempt: sampleAttempt, resumedAt: 555_000_000, resume: .milliseconds(2),
                measuresReach: true),
            Layout.attempt + [
                .fixed("resumed at", 8, note: "ns"), .fixed("resume", 8, note: "ns, signed"),
                .fixed("measures reach", 1, note: "flag"),
            ]
        ) { random in
            OwnerAcknowledged(
                attempt: random.attempt(), resumedAt: random.next(), resume: random.nanoseconds(),
                measuresReach: random.flag())
        },
        portsAwaited, guestReached,
        MessageKind(Abort(attempt: sampleAttempt), Layout.attempt) {
            Abort(attempt: $0.attempt())
        },
        MessageKind(
            Aborted(attempt: sampleAttempt, reason: sampleError), Layout.attempt + Layout.failure
        ) { Aborted(attempt: $0.attempt(), reason: $0.error()) },
    ]

    static let sampleReach = [
        NetworkReach(
            bridge: "br0", mac: "52:54:00:00:00:01", after: .milliseconds(12), state: .forwarding),
        NetworkReach(bridge: "br1", mac: "52:54:00:00:00:02", after: nil, state: .blocking),
    ]

    private static var portsAwaited: MessageKind {
        MessageKind(
            PortsAwaited(bridge: "br0", limit: .seconds(40)),
            [
                .text("bridge", NetworkMap.nameLimit), .fixed("limit", 8, note: "ns, signed"),
            ]
        ) { PortsAwaited(bridge: $0.text(15), limit: $0.nanoseconds()) }
    }

    private static var guestReached: MessageKind {
        MessageKind(
            GuestReached(attempt: sampleAttempt, reach: sampleReach),
            Layout.attempt + [Layout.reach]
        ) { GuestReached(attempt: $0.attempt(), reach: $0.reach()) }
    }

    private static var final: MessageKind {
        MessageKind(
            Final(
                attempt: sampleAttempt, rounds: 5, stateBytes: 290_000, digest: sampleDigest,
                resume: true, verification: .audit),
            Layout.attempt + [
                .fixed("rounds", 4), .fixed("state bytes", 8), Layout.digest,
                .fixed("resume", 1, note: "flag"),
                .fixed("verification", 1, note: Layout.verification),
            ]
        ) { random in
            Final(
                attempt: random.attempt(), rounds: UInt32(truncatingIfNeeded: random.next()),
                stateBytes: random.next(), digest: random.bits(), resume: random.flag(),
                verification: MigrationPolicy.Verification.allCases[random.below(4)])
        }
    }
}
