import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    /// What a prediction is made from.
    static let measuring: [MessageKind] = {
        guard case .success(let name) = MachineField.name else { fatalError("a plain name") }
        return [
            MessageKind(
                MeasureGuest(name: name, peer: samplePeer, policy: MigrationPolicy()),
                [Layout.vmName] + Layout.terms
            ) { random in
                MeasureGuest(
                    name: (try? VMName(random.plain(64))) ?? name, peer: random.peer(),
                    policy: random.policy())
            },
            MessageKind(
                GuestMeasured(
                    GuestMeasurement(
                        populatedPages: 200_000, zeroPages: 1000,
                        windows: [.init(length: .milliseconds(25), dirtiedPages: 10...20)],
                        codingRatio: 1.5...4, deviceState: ByteCount(300 << 10),
                        lanes: .success(
                            .init(
                                count: 2,
                                rate: Bandwidth(
                                    bytesPerSecond: 100)...Bandwidth(bytesPerSecond: 200),
                                roundTrip: .microseconds(300))))), measured
            ) { random in GuestMeasured(random.measurement()) },
            MessageKind(LaneProbe(number: 3), [.fixed("number", 4)]) { random in
                LaneProbe(number: UInt32(truncatingIfNeeded: random.next()))
            },
            MessageKind(
                LaneProbed(number: 3, bytes: 1 << 20, host: "id"),
                [.fixed("number", 4), .fixed("bytes", 8), .text("host", WireLimits.word)]
            ) { random in
                LaneProbed(
                    number: UInt32(truncatingIfNeeded: random.next()), bytes: random.next(),
                    host: random.plain(60))
            },
            MessageKind(
                ProbePath(peer: samplePeer, identity: "id"),
                Layout.peer + [.text("identity", WireLimits.word)]
            ) { random in ProbePath(peer: random.peer(), identity: random.plain(60)) },
        ]
    }()

    private static let measured: [Layout] = [
        .fixed("populated", 8, note: "pages"),
        .fixed("zero", 8, note: "pages, not above populated"),
        .list(
            "windows", WireLimits.windows,
            [
                .fixed("length", 8, note: "ns, signed"), .fixed("least", 8, note: "pages"),
                .fixed("most", 8, note: "pages, not below least"),
            ]), .fixed("least ratio", 4, note: "thousandths"),
        .fixed("most ratio", 4, note: "thousandths, not below least"),
        .fixed("device state", 8, note: "bytes, at most 64 MiB"),
        .optional(
            .group(
                "lanes",
                [
                    .fixed("count", 1), .fixed("least", 8, note: "bytes a second"),
                    .fixed("most", 8, note: "bytes a second, not below least"),
                    .fixed("round-trip", 8, note: "ns, signed"),
                ])), .optional(.group("failure", Layout.failure)),
    ]
}

extension Seeded {
    mutating func peer() -> StartOutgoing.Peer {
        var peer = server()
        peer.jumps = (0..<below(WireLimits.jumps + 1)).map { _ in server() }
        return peer
    }

    private mutating func server() -> StartOutgoing.Peer {
        StartOutgoing.Peer(
            name: text(64), address: text(255), port: UInt16(truncatingIfNeeded: next()),
            user: text(64), hostKeys: (0..<below(65)).map { _ in text(64) })
    }

    fileprivate mutating func span() -> ClosedRange<UInt64> {
        let (one, other) = (next(), next())
        return min(one, other)...max(one, other)
    }

    fileprivate mutating func measurement() -> GuestMeasurement {
        let pages = span()
        let (one, other) = (Double(below(9000)) / 1000, Double(below(9000)) / 1000)
        let rate = span()
        let lanes = GuestMeasurement.Lanes(
            count: below(256),
            rate: Bandwidth(
                bytesPerSecond: rate.lowerBound)...Bandwidth(
                    bytesPerSecond: rate.upperBound),
            roundTrip: nanoseconds())
        return GuestMeasurement(
            populatedPages: pages.upperBound, zeroPages: pages.lowerBound,
            windows: (0..<below(WireLimits.windows + 1)).map { _ in
                .init(length: nanoseconds(), dirtiedPages: span())
            }, codingRatio: min(one, other)...max(one, other),
            deviceState: ByteCount(UInt64(below(Int(WireLimits.deviceState)))),
            lanes: flag() ? .success(lanes) : .failure(error()))
    }
}
