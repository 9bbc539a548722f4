import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    static let sampleAttempt = Attempt(
        migration: MigrationID(Bits128(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF)),
        epoch: Epoch(7))
    static let sampleDigest = Bits128(high: 0xD1D2_D3D4_D5D6_D7D8, low: 0xE1E2_E3E4_E5E6_E7E8)
    static let samplePages: PageCounts = {
        var pages = PageCounts()
        pages.sent = 1000
        pages.zero = 200
        pages.unchanged = 30
        return pages
    }()

    static let samplePeer: StartOutgoing.Peer = {
        var peer = StartOutgoing.Peer(
            name: "beta", address: "10.0.0.12", port: 22, user: "root", hostKeys: ["SHA256:abc"])
        peer.jumps = [
            .init(
                name: "gate", address: "10.0.0.1", port: 2222, user: "hop",
                hostKeys: ["SHA256:def"])
        ]
        return peer
    }()

    /// A move between the controller and the agents.
    static let moving: [MessageKind] = [
        incoming, MessageKind(empty: Prepared.self), outgoing, MessageKind(empty: Cancel.self),
        MessageKind(PhaseMessage(.switchover), [.fixed("phase", 1, note: "1–6")]) { random in
            PhaseMessage(MovePhase.allCases[random.below(6)])
        },
        round,
        MessageKind(
            ProgressMessage(RoundProgress(round: 2, done: 64, total: 4096, wireBytes: 1 << 20)),
            [
                .fixed("round", 4), .fixed("done", 8, note: "pages"),
                .fixed("total", 8, note: "pages"), .fixed("wire bytes", 8),
            ]
        ) { random in
            ProgressMessage(
                RoundProgress(
                    round: random.below(1 << 32), done: random.next(), total: random.next(),
                    wireBytes: random.next()))
        },
        moved,
    ]

    private static var incoming: MessageKind {
        guard case .success(let host) = MachineField.host else { fatalError("a plain name") }
        return MessageKind(
            PrepareIncoming(
                attempt: sampleAttempt, definition: "<domain/>", secret: 0x5EC2_E7, source: host,
                networks: sampleNetworks, sourceKeys: ["SHA256:abc"]),
            Layout.attempt + [
                .text("definition", WireLimits.definition), .fixed("secret", 8),
                .text("source", 64), Layout.bridges,
                .list("sourceKeys", WireLimits.items, [.text("key", WireLimits.name)]),
            ]
        ) { random in
            PrepareIncoming(
                attempt: random.attempt(), definition: random.text(5000), secret: random.next(),
                source: (try? HostName(random.plain(64))) ?? host, networks: random.networks(),
                sourceKeys: random.names())
        }
    }

    static let sampleNetworks: NetworkMap = {
        guard let entry = try? NetworkMap.Entry("br0", "br7"), let map = try? NetworkMap([entry])
        else { fatalError("plain names") }
        return map
    }()

    private static var outgoing: MessageKind {
        guard case .success(let name) = MachineField.name else { fatalError("a plain name") }
        var policy = MigrationPolicy()
        policy.bandwidth = Bandwidth(bytesPerSecond: 125_000_000)
        policy.lanes = 4
        policy.verification = .full
        return MessageKind(
            StartOutgoing(
                name: name, attempt: sampleAttempt, secret: 0x5EC2_E7,
                definition: StartOutgoing.checksum(of: "<domain/>"), peer: samplePeer,
                policy: policy),
            outgoingLayout
        ) { random in
            StartOutgoing(
                name: (try? VMName(random.plain(64))) ?? name, attempt: random.attempt(),
                secret: random.next(), definition: random.next(), peer: random.peer(),
                policy: random.policy())
        }
    }

    private static let outgoingLayout: [Layout] =
        [Layout.vmName] + Layout.attempt + [.fixed("secret", 8), .fixed("definition", 8)]
        + Layout.terms

    private static var round: MessageKind {
        MessageKind(
            RoundMessage(
                RoundReport(
                    number: 3, dirtyPages: 1230, pages: samplePages, wireBytes: 4 << 20,
                    duration: .milliseconds(40), dirtiedPages: 17)),
            [.fixed("number", 4), .fixed("dirty pages", 8)] + Layout.pages + [
                .fixed("wire bytes", 8), .fixed("duration", 8, note: "ns, signed"),
                .fixed("dirtied pages", 8),
            ]
        ) { random in
            RoundMessage(
                RoundReport(
                    number: random.below(1 << 32), dirtyPages: random.next(),
                    pages: random.pages(), wireBytes: random.next(),
                    duration: random.nanoseconds(), dirtiedPages: random.next()))
        }
    }

    private static var moved: MessageKind {
        var downtime = Downtime()
        downtime.finalPages = .milliseconds(8)
        downtime.deviceState = .milliseconds(6)
        downtime.commit = .milliseconds(4)
        downtime.resume = .milliseconds(2)
        var differing = DifferingPages()
        for page in [17, 4711] as [UInt64] { differing.add(page) }
        let times = ["transfer", "final pages", "device state", "commit", "resume"]
        return MessageKind(
            Moved(
                MigrationReport(
                    rounds: 4, transfer: .seconds(3), downtime: downtime,
                    guestBytes: ByteCount(1 << 30), wireBytes: 98_123_456, pages: samplePages,
                    epoch: Epoch(7), sourceIsClean: true, isRunning: true, verified: .audit,
                    differing: differing, reach: sampleReach)),
            [.fixed("rounds", 4)] + times.map { .fixed($0, 8, note: "ns, signed") } + [
                .fixed("guest bytes", 8), .fixed("wire bytes", 8),
            ] + Layout.pages + [
                .fixed("epoch", 8), .fixed("source is clean", 1, note: "flag"),
                .fixed("is running", 1, note: "flag"),
                .fixed("verified", 1, note: Layout.verification),
            ] + Layout.differing + [Layout.reach]
        ) { random in
            var downtime = Downtime()
            downtime.finalPages = random.nanoseconds()
            downtime.deviceState = random.nanoseconds()
            downtime.commit = random.nanoseconds()
            downtime.resume = random.nanoseconds()
            return Moved(
                MigrationReport(
                    rounds: random.below(1 << 32), transfer: random.nanoseconds(),
                    downtime: downtime, guestBytes: ByteCount(random.next()),
                    wireBytes: random.next(), pages: random.pages(), epoch: Epoch(random.next()),
                    sourceIsClean: random.flag(), isRunning: random.flag(),
                    verified: MigrationPolicy.Verification.allCases[random.below(4)],
                    differing: random.differing(), reach: random.reach()))
        }
    }
}
