import MigrationModel
import TestSupport
import Testing
import WireProtocol

@Suite("Limits are checked before anything is allocated")
struct LimitTests {
    /// What a length or a count of 2³²-1 in front of no data gives.
    static let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]

    // Broken by: allocating what the length says before it is compared with the limit: `tooLong`
    // comes before `truncated`.
    @Test func hugeLengths() throws {
        try expect(.tooLong(0xFFFF_FFFF), Self.huge) { (reader) throws(WireError) in
            _ = try reader.data(limit: WireLimits.stateChunk)
        }
        try expect(.tooLong(0xFFFF_FFFF), Self.huge) { (reader) throws(WireError) in
            _ = try reader.text()
        }
        try expect(.tooLong(0xFFFF_FFFF), Self.huge) { (reader) throws(WireError) in
            _ = try reader.list(limit: WireLimits.machines) { (reader) throws(WireError) -> UInt8 in
                try reader.integer()
            }
        }
    }

    // Broken by: reserving room for a count within the limit but beyond what can follow.
    @Test func countBeyondTheRest() throws {
        let count: [UInt8] = [0x88, 0x13, 0, 0] + [UInt8](repeating: 0, count: 100)
        try expect(.truncated, count) { (reader) throws(WireError) in
            _ = try reader.list(limit: 5000) { (reader) throws(WireError) -> UInt8 in
                Issue.record("an element was read")
                return try reader.integer()
            }
        }
    }

    // Broken by: a limit that is off by one, in either direction.
    @Test("a text of exactly the limit passes, one more byte does not", arguments: [1, 64, 4096])
    func exactText(limit: Int) throws {
        var writer = WireWriter()
        writer.text(String(repeating: "x", count: limit), limit: limit)
        try expect(nil, writer.bytes) { (reader) throws(WireError) in
            #expect(try reader.text(limit: limit).utf8.count == limit)
        }
        try expect(.tooLong(limit), writer.bytes) { (reader) throws(WireError) in
            _ = try reader.text(limit: limit - 1)
        }
    }

    // Broken by: cutting text inside a character, which the peer would refuse as no UTF-8.
    @Test func longTextIsCutAtACharacter() throws {
        for character in ["é", "→", "𝛌", "e\u{301}"] {
            var writer = WireWriter()
            writer.text("x" + String(repeating: character, count: 5000), limit: 64)
            try expect(nil, writer.bytes) { (reader) throws(WireError) in
                let text = try reader.text(limit: 64)
                #expect(text.utf8.count > 60)
                #expect(text.last.map(String.init) == character)
            }
        }
    }

    // Broken by: text that is not UTF-8 repaired in silence, a flag of 2, a number of no case.
    @Test func fieldsWithoutMeaning() throws {
        try expect(.field("text"), [1, 0, 0, 0, 0xFF]) { (reader) throws(WireError) in
            _ = try reader.text()
        }
        for value in 2...255 as ClosedRange<UInt8> {
            try expect(.field("flag"), [value]) { (reader) throws(WireError) in
                _ = try reader.flag()
            }
        }
        try expect(.field("MovePhase"), [9]) { (reader) throws(WireError) in
            _ = try reader.choice(MovePhase.self)
        }
    }

    // Broken by: a header whose length is used although it is over the limit.
    @Test func frameLength() throws {
        for length in [UInt32(WireLimits.payload) + 1, .max] {
            let head = try Self.header(type: 1, flags: 0, length: length, sequence: 0)
            expectHeader(.tooLong(Int(length)), head)
        }
        let most = try Self.header(
            type: 1, flags: 0, length: UInt32(WireLimits.payload), sequence: 0)
        expectHeader(nil, most)
    }

    // Broken by: one of the header's rules not enforced although its checksum fits.
    @Test func headerRules() throws {
        expectHeader(.type(0), try Self.header(type: 0, flags: 0, length: 0, sequence: 0))
        expectHeader(.field("flags"), try Self.header(type: 1, flags: 1, length: 0, sequence: 0))
        expectHeader(
            .sequence(expected: 0, found: 1),
            try Self.header(type: 1, flags: 0, length: 0, sequence: 1))
        expectHeader(
            .sequence(expected: 0, found: .max),
            try Self.header(type: 1, flags: 0, length: 0, sequence: .max))
        var other = try Self.header(type: 1, flags: 0, length: 0, sequence: 0)
        expectHeader(nil, other)
        other[0] ^= 1
        expectHeader(.magic, other)
        expectHeader(.truncated, Array(other.dropLast()))
        expectHeader(.truncated, other + [0])
    }

    // Broken by: a payload taken for the one that was announced although it is shorter or longer.
    @Test func payloadLength() throws {
        let payload: [UInt8] = [1, 2, 3]
        let header = unsafe FrameHeader(
            type: .phase, payload: payload.span.bytes, sequence: 0)
        try unsafe header.verify(payload.span.bytes)
        for other in [Array(payload.dropLast()), payload + [0], []] {
            #expect(throws: WireError.truncated) { try unsafe header.verify(other.span.bytes) }
        }
    }

    // Broken by: a phase under another name than scripts wait for.
    @Test func phaseNames() {
        let phases: [MovePhase] = [
            .connecting, .preCopy, .switchover, .committed, .audit,
        ]
        #expect(
            phases.map(\.name) == ["connecting", "pre-copy", "switchover", "committed", "audit"])
    }

    // Broken by: a list that may have more VMs than fit into one frame, which would stop an agent.
    @Test func theLongestListFitsAFrame() throws {
        var machine = MessageKind.sampleMachine
        machine.name = String(repeating: "n", count: 64)
        machine.kind = .synthetic
        machine.state = .inTransfer
        machine.right = .gone(Attempt(migration: .random(), epoch: Epoch(.max)))
        let hosts = try (10..<42).map { try HostName(String(repeating: "h", count: 62) + "\($0)") }
        machine.cpuModel = String(repeating: "c", count: 64)
        machine.policy.placement = PlacementRules(
            preferred: Array(hosts.prefix(16)), forbidden: Set(hosts.suffix(16)),
            affinity: machine.name, antiAffinity: .init(machine.name, isHard: true))
        let words = String(repeating: "w", count: WireLimits.sentence)
        let damaged = DamagedMachine(
            name: try VMName(machine.name), uuid: machine.uuid,
            error: LivemigError(.journalCorrupt, words, at: words, fix: words))
        let list = MachineListMessage(
            MachineList(
                Array(repeating: machine, count: WireLimits.machines),
                damaged: Array(repeating: damaged, count: WireLimits.damaged)))
        #expect(list.payload.count <= WireLimits.payload)
        let decoded = try unsafe MachineListMessage(payload: list.payload.span.bytes)
        #expect(decoded.list.machines.count == WireLimits.machines)
        #expect(decoded.list.damaged.count == WireLimits.damaged)
    }

    // Broken by: the largest definition not fitting the messages that carry one.
    @Test func theLargestDefinitionFitsAFrame() throws {
        let definition = String(repeating: "x", count: WireLimits.definition)
        let name = try HostName(String(repeating: "h", count: 64))
        let message = PrepareIncoming(
            attempt: MessageKind.sampleAttempt, definition: definition, secret: 1, source: name)
        #expect(message.payload.count <= WireLimits.payload)
        #expect(DefineMachine(definition: definition).payload.count <= WireLimits.payload)
        let machine = MachineMessage(MessageKind.sampleMachine, definition: definition)
        #expect(machine.payload.count <= WireLimits.payload)
    }

    private func expect(
        _ expected: WireError?, _ bytes: [UInt8],
        _ read: (inout WireReader) throws(WireError) -> Void,
        location: SourceLocation = #_sourceLocation
    ) throws {
        var found: WireError?
        do throws(WireError) {
            var reader = unsafe WireReader(bytes.span.bytes)
            try read(&reader)
        } catch {
            found = error
        }
        #expect(found == expected, sourceLocation: location)
    }

    private func expectHeader(
        _ expected: WireError?, _ bytes: [UInt8], location: SourceLocation = #_sourceLocation
    ) {
        var found: WireError?
        do throws(WireError) {
            _ = try unsafe FrameHeader(decoding: bytes.span.bytes, expecting: 0)
        } catch {
            found = error
        }
        #expect(found == expected, sourceLocation: location)
    }

    /// A header with any fields and a checksum that fits.
    private static func header(
        type: UInt16, flags: UInt16, length: UInt32, sequence: UInt32
    ) throws -> [UInt8] {
        var writer = WireWriter()
        for byte in "LMF1".utf8 { writer.integer(byte) }
        writer.integer(type)
        writer.integer(flags)
        writer.integer(length)
        writer.integer(sequence)
        writer.integer(UInt64(0))
        writer.integer(unsafe Checksum.of(writer.bytes.span.bytes))
        return writer.bytes
    }
}
