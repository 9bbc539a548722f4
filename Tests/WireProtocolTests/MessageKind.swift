import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// One kind of message, with its type erased, so that every test runs over all of them.
struct MessageKind: Sendable, CustomTestStringConvertible {
    let type: FrameType
    let layout: [Layout]
    /// The frame of the sample that the golden file holds.
    let golden: [UInt8]
    /// Decodes a payload; returns what decoding and encoding again makes of it.
    let reencode: @Sendable ([UInt8]) throws -> [UInt8]
    /// Encodes a random message; returns the payload, and whether decoding gives an equal message.
    let roundTrip: @Sendable (inout Seeded) throws -> (payload: [UInt8], isEqual: Bool)

    var testDescription: String { "\(type)" }

    init<Message: WireMessage & Equatable>(
        _ golden: Message, _ layout: [Layout] = [],
        _ random: @escaping @Sendable (inout Seeded) -> Message
    ) {
        type = Message.type
        self.layout = layout
        self.golden = golden.frame(sequence: 7)
        reencode = { try unsafe Message(payload: $0.span.bytes).payload }
        roundTrip = { generator in
            let message = random(&generator)
            let payload = message.payload
            return (payload, try unsafe Message(payload: payload.span.bytes) == message)
        }
    }

    init<Message: EmptyWireMessage & Equatable>(empty: Message.Type) {
        self.init(Message()) { _ in Message() }
    }

    static let all =
        management + trusting + inspecting + measuring + policies + moving + peers + comparing
}

enum MachineField {
    static let name = Result { try VMName("web1") }
    static let host = Result { try HostName("beta") }
}

extension Seeded {
    mutating func bits() -> Bits128 { Bits128(high: next(), low: next()) }

    mutating func attempt() -> Attempt {
        Attempt(migration: MigrationID(bits()), epoch: Epoch(next()))
    }

    mutating func flag() -> Bool { next() & 1 == 1 }

    mutating func nanoseconds() -> Duration { .nanoseconds(Int64(truncatingIfNeeded: next())) }

    mutating func plain(_ limit: Int) -> String {
        let alphabet = Array("abcXYZ019._-")
        let tail = (0..<below(limit)).map { _ in alphabet[below(alphabet.count)] }
        return "v" + String(tail)
    }

    mutating func guest() -> GuestLocation {
        GuestLocation(
            vm: text(80), state: GuestLocation.State.allCases[below(5)], host: text(80),
            epoch: Epoch(next()))
    }

    mutating func error(withGuest hasGuest: Bool = true) -> LivemigError {
        let code = ErrorCode.allCases[below(ErrorCode.allCases.count)]
        var error = LivemigError(
            code, text(WireLimits.sentence), at: text(WireLimits.sentence), fix: text(300))
        // Both are left out where an error is not the whole message.
        error.guest = hasGuest && flag() ? guest() : nil
        error.fullSlots = hasGuest && flag() ? MoveDirection.allCases[below(2)] : nil
        return error
    }

    mutating func differing() -> DifferingPages {
        var pages = DifferingPages()
        for page in 0..<UInt64(below(40)) { pages.add(page * 1000 + UInt64(below(1000))) }
        return pages
    }

    mutating func reach() -> [NetworkReach] {
        (0..<below(9)).map { _ in
            NetworkReach(
                bridge: text(15), mac: text(17), after: flag() ? nanoseconds() : nil,
                state: PortState.allCases[below(5)])
        }
    }

    mutating func pages() -> PageCounts {
        var pages = PageCounts()
        pages.sent = next()
        pages.zero = next()
        pages.unchanged = next()
        return pages
    }

    mutating func right() -> Right {
        switch below(8) {
        case 0: .none
        case 1: .owner(Epoch(next()), flag() ? MigrationID(bits()) : nil)
        case 2: .intent(attempt())
        case 3: .released(attempt(), digest: bits())
        case 4: .gone(attempt())
        case 5: .armed(attempt())
        case 6: .ready(attempt(), digest: bits())
        default: .aborted(attempt())
        }
    }

    mutating func record() -> OwnershipRecord {
        OwnershipRecord(
            uuid: VMUUID(bits()), right: right(), peer: text(OwnershipRecord.peerLimit),
            time: next())
    }

    mutating func step() -> RecoveryStep {
        switch below(8) {
        case 0: .settle
        case 1: .discard(attempt())
        case 2: .token(attempt(), digest: bits())
        case 3: .reclaim(attempt())
        case 4: .finish(attempt())
        case 5: .freeze
        case 6: .overrule(attempt())
        default: .seize(fenced: text(WireLimits.name))
        }
    }

    mutating func machine() -> MachineSummary {
        MachineSummary(
            name: plain(64), uuid: VMUUID(bits()), kind: VMDefinition.Kind.allCases[below(3)],
            state: GuestLocation.State.allCases[below(5)], memory: ByteCount(next()),
            vcpus: Int(UInt32(truncatingIfNeeded: next())), cpuModel: flag() ? text(80) : nil,
            policy: flag() ? guestPolicy() : GuestPolicy(), right: right())
    }

    mutating func guestPolicy() -> GuestPolicy {
        let actions = DrainPolicy.Action.allCases
        let action = actions[below(4)]
        let fallback = action == .live && flag() ? actions[1 + below(3)] : nil
        let preferred = Set((0..<below(16)).compactMap { _ in try? HostName("p" + plain(60)) })
        let forbidden = (0..<below(16)).compactMap { _ in try? HostName("f" + plain(60)) }
        return GuestPolicy(
            priority: (try? Priority(below(10_000))) ?? .low,
            drain: DrainPolicy(action, fallback: fallback),
            placement: PlacementRules(
                preferred: Array(preferred), forbidden: Set(forbidden),
                affinity: flag() ? plain(60) : nil,
                antiAffinity: flag() ? .init(plain(60), isHard: flag()) : nil))
    }

    mutating func damaged() -> DamagedMachine {
        var damaged = MessageKind.sampleDamage
        damaged.name = (try? VMName(plain(64))) ?? damaged.name
        damaged.uuid = flag() ? VMUUID(bits()) : nil
        damaged.error = LivemigError(
            error().code, text(WireLimits.reason), at: text(WireLimits.reason), fix: text(300))
        return damaged
    }

    mutating func networks() -> NetworkMap {
        let entries = (0..<below(9)).compactMap { number in
            try? NetworkMap.Entry("br\(number)", plain(15))
        }
        return (try? NetworkMap(entries)) ?? NetworkMap()
    }

    mutating func finding() -> Finding {
        let warnings = Finding.Warning.allCases
        let kind: Finding.Kind =
            flag() ? .error(error().code) : .warning(warnings[below(warnings.count)])
        return Finding(
            kind, text(WireLimits.sentence), at: text(80), source: text(80), destination: text(80),
            fix: text(300))
    }

    mutating func policy() -> MigrationPolicy {
        var policy = MigrationPolicy()
        policy.maxDowntime = .nanoseconds(Int64(next() >> 1) | 1)
        policy.timeout = .nanoseconds(Int64(next() >> 1) | 1)
        policy.onTimeout = flag() ? .abort : .pause
        policy.bandwidth = flag() ? Bandwidth(bytesPerSecond: next() | 1) : nil
        policy.lanes = flag() ? 1 + below(16) : nil
        policy.compression = MigrationPolicy.Compression.allCases[below(4)]
        policy.path = flag() ? .direct : .relay
        policy.keepPaused = flag()
        policy.verification = MigrationPolicy.Verification.allCases[below(4)]
        return policy
    }
}
