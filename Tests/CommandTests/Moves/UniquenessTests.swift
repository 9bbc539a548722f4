import MigrationModel
import TestSupport
import Testing

@testable import Orchestrator

/// What may be defined and started, by what the hosts of a fleet say.
@Suite("Only one of a kind")
struct UniquenessTests {
    private static let uuid = VMUUID(Bits128(high: 0, low: 1))
    private static let other = VMUUID(Bits128(high: 0, low: 2))
    private static let mac = "52:54:00:00:00:01"
    private static let silence = LivemigError(.connect, "connection refused")

    private static func vm(
        _ right: String, _ epoch: UInt64 = 3, _ state: GuestLocation.State = .stopped,
        uuid: VMUUID = uuid, name: String = "web1", peer: String = "", isDefined: Bool = true,
        macs: [String] = [], images: [String] = []
    ) throws -> Claims.Machine {
        Claims.Machine(
            name: try VMName(name), uuid: uuid, right: Right.sample(right, epoch: epoch),
            peer: peer,
            state: state, isDefined: isDefined, macs: macs, images: images)
    }

    /// A question about a VM on alpha, with what beta and gamma say.
    private static func ask(
        _ beta: Claims?, _ gamma: Claims? = Claims(), alpha: Claims = Claims(),
        unasked: String...
    ) throws -> Uniqueness {
        let answers = try [("alpha", alpha), ("beta", beta), ("gamma", gamma)].map { name, claims in
            HostAnswer(
                HostRecord(name: try HostName(name), address: name, hostKeys: []),
                claims.map { .success($0) } ?? .failure(silence))
        }
        return Uniqueness(
            Claims.Subject(
                uuid: uuid, name: try VMName("web1"), macs: [mac], images: ["/images/web1"]),
            on: try HostName("alpha"), answers, unasked: Set(try unasked.map { try HostName($0) }))
    }

    private func refusal<Value>(
        _ code: ErrorCode, _ words: String..., location: SourceLocation = #_sourceLocation,
        of body: () throws -> Value
    ) {
        let error = #expect(throws: LivemigError.self, sourceLocation: location) { _ = try body() }
        #expect(error?.code == code, sourceLocation: location)
        for word in words {
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains(word), "\(text)", sourceLocation: location)
        }
    }

    // Breaks when a definition is given to a second host, whatever the VM does on the first and
    // whatever it is called there, or when the host that has it is not named.
    @Test("a VM that a host has is not defined again")
    func definedTwice() throws {
        let states: [GuestLocation.State] = [.running, .stopped, .saved, .unknown]
        for state in states {
            let there = Claims(machines: [try Self.vm("OWN", 3, state, name: "copy")])
            refusal(.duplicateVM, "beta", "copy") { try Self.ask(there).define() }
        }
        for word in ["INT", "REL", "RDY", "ARM"] {
            let there = Claims(machines: [try Self.vm(word, isDefined: false)])
            refusal(.inTransfer, "gamma", word) { try Self.ask(Claims(), there).define() }
        }
        let address = Claims(machines: [
            try Self.vm("OWN", uuid: Self.other, name: "db", macs: [Self.mac])
        ])
        refusal(.duplicateVM, "beta", "db", Self.mac) { try Self.ask(address).define() }
        refusal(.duplicateVM, "alpha", "db") { try Self.ask(Claims(), alpha: address).define() }
        let name = Claims(machines: [
            try Self.vm("OWN", uuid: Self.other, images: ["/images/web1"])
        ])
        let notes = try Self.ask(name).define()
        #expect(notes.count == 2 && notes[0].contains("beta/web1"), "\(notes)")
        #expect(notes[1].contains("/images/web1"))
    }

    // Breaks when a host that cannot be asked, or cannot read its records, counts as one without
    // the VM, or when the operator's word counts against what a host says.
    @Test("a host that cannot be asked stops it unless it is named")
    func silent() throws {
        refusal(.unasked, "beta", "--unasked beta") { try Self.ask(nil).define() }
        refusal(.unasked, "beta", "--unasked beta") { try Self.ask(nil).start(at: Epoch(3)) }
        refusal(.unasked, "gamma") { try Self.ask(nil, nil, unasked: "beta").define() }
        #expect(try Self.ask(nil, unasked: "beta").define() == [])
        #expect(try Self.ask(nil, unasked: "beta").start(at: Epoch(3)) == [])
        let damaged = Claims(damaged: [
            DamagedMachine(
                name: try VMName("web1"), uuid: nil, error: LivemigError(.journalCorrupt, "torn"))
        ])
        refusal(.journalCorrupt) { try Self.ask(damaged).define() }
        refusal(.journalCorrupt) { try Self.ask(damaged).start(at: Epoch(3)) }
        let there = Claims(machines: [try Self.vm("OWN")])
        refusal(.duplicateVM) { try Self.ask(there, unasked: "beta").define() }
    }

    // Breaks when what is left of a VM that was removed keeps it from being defined again, when its
    // epoch begins anew, or when the host that it was moved to is not asked.
    @Test("what is left of a VM that has gone is no obstacle")
    func tombstones() throws {
        let gone = Claims(
            remembered: Right.sample("GONE", epoch: 4),
            machines: [try Self.vm("GONE", 4, peer: "gamma", isDefined: false)])
        let removed = Claims(remembered: Right.sample("GONE", epoch: 9))
        let question = try Self.ask(gone, removed)
        #expect(try question.define() == [])
        #expect(question.known == Epoch(9))
        let aborted = Claims(machines: [try Self.vm("ABT", 12, isDefined: false)])
        #expect(try Self.ask(aborted, removed).known == Epoch(12))
        #expect(try Self.ask(Claims()).known == nil)
        let away = Claims(machines: [try Self.vm("GONE", 4, peer: "delta", isDefined: false)])
        refusal(.unasked, "delta", "--unasked delta") { try Self.ask(away).define() }
        #expect(try Self.ask(away, unasked: "delta").define() == [])
        #expect(try Self.ask(away, removed).define() == [], "it has gone on since")
    }

    // Breaks when a record that has come back with all of its host starts a guest that another host
    // has by a later one, or a host's old record keeps the good one from being started.
    @Test(
        "an old record starts nothing",
        arguments: [
            ("OWN", 4, .running, .duplicateVM), ("OWN", 2, .running, .duplicateVM),
            ("OWN", 3, .paused, .duplicateVM), ("INT", 3, .unknown, .duplicateVM),
            ("OWN", 4, .stopped, .staleRecord), ("OWN", 3, .stopped, .internal),
            ("OWN", 4, .saved, .staleRecord), ("GONE", 4, .stopped, .staleRecord),
            ("REL", 4, .paused, .inTransfer), ("RDY", 4, .paused, .inTransfer),
            ("OWN", 2, .stopped, nil), ("GONE", 3, .stopped, nil), ("REL", 3, .paused, nil),
            ("ABT", 4, .stopped, nil), ("ARM", 4, .paused, nil),
        ] as [(String, UInt64, GuestLocation.State, ErrorCode?)])
    func started(
        word: String, epoch: UInt64, state: GuestLocation.State, code: ErrorCode?
    ) throws {
        let question = try Self.ask(Claims(machines: [try Self.vm(word, epoch, state)]))
        if let code {
            refusal(code, "beta", "web1") { try question.start(at: Epoch(3)) }
        } else {
            _ = try question.start(at: Epoch(3))
        }
    }

    // Breaks when a host that has removed a VM since is not believed, or what it has only prepared
    // counts as having had it.
    @Test("what a host remembers counts as well")
    func remembered() throws {
        for word in ["GONE", "OWN", "REL"] {
            let later = Claims(remembered: Right.sample(word, epoch: 4))
            refusal(.staleRecord, "beta") { try Self.ask(later).start(at: Epoch(3)) }
            #expect(try Self.ask(later).start(at: Epoch(4)) == [])
        }
        let prepared = Claims(remembered: Right.sample("ABT", epoch: 4))
        #expect(try Self.ask(prepared).start(at: Epoch(3)) == [])
        let running = Claims(machines: [
            try Self.vm("OWN", 9, .running, uuid: Self.other, name: "db", macs: [Self.mac])
        ])
        refusal(.duplicateVM, "beta", "db", Self.mac) { try Self.ask(running).start(at: Epoch(3)) }
        let off = Claims(machines: [
            try Self.vm("OWN", 9, uuid: Self.other, name: "db", macs: [Self.mac])
        ])
        #expect(try Self.ask(off).start(at: Epoch(3)).count == 1)
    }
}
