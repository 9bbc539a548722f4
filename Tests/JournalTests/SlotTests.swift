import Journal
import MigrationModel
import Ownership
import TestSupport
import Testing

/// Every state of a record, with fields that are all different from each other.
enum Samples {
    static let uuid = VMUUID(Bits128(high: 0x1122_3344_5566_4788, low: 0x99AA_BBCC_DDEE_FF00))
    static let attempt = Attempt(
        migration: MigrationID(Bits128(high: 0x0011_2233, low: 0x4455_6677)), epoch: Epoch(7))
    static let digest = Bits128(high: 0xD1D2, low: 0xE1E2)
    static let rights: [Right] = [
        .none, .owner(Epoch(0), nil), .owner(Epoch(7), attempt.migration), .intent(attempt),
        .released(attempt, digest: digest), .gone(attempt), .armed(attempt),
        .ready(attempt, digest: digest), .aborted(attempt),
    ]

    static func slot(_ right: Right, sequence: UInt64 = 5) -> JournalSlot {
        JournalSlot(
            sequence: sequence,
            record: OwnershipRecord(
                uuid: uuid, right: right, peer: "beta SHA256:abc", time: 1_700_000_000))
    }
}

@Suite("A slot of the record")
struct SlotTests {
    // Broken by: a field that is written but not read back.
    @Test("every state is read as it was written", arguments: Samples.rights)
    func roundTrip(right: Right) {
        let slot = Samples.slot(right)
        #expect(slot.encoded.count == JournalSlot.size)
        #expect(JournalSlot(decoding: slot.encoded) == slot)
    }

    // Broken by: fields moving, which would make the records of running VMs unreadable.
    @Test func theBytesAreWhereTheTableSays() {
        let bytes = Samples.slot(.released(Samples.attempt, digest: Samples.digest)).encoded
        #expect(bytes[0..<8].elementsEqual("LMOWNER1".utf8))
        #expect(bytes[16..<24].elementsEqual([5, 0, 0, 0, 0, 0, 0, 0]))
        #expect(bytes[24..<32].elementsEqual([0x88, 0x47, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]))
        #expect(bytes[40] == 3)
        #expect(bytes[41] == 7)
        #expect(bytes[49] == 1)
        #expect(bytes[66..<68].elementsEqual([0xD2, 0xD1]))
        #expect(bytes[74..<76].elementsEqual([0xE2, 0xE1]))
        #expect(bytes[90] == 15)
        #expect(bytes[94..<98].elementsEqual("beta".utf8))
        #expect(bytes[109...].allSatisfy { $0 == 0 })
    }

    // Broken by: a checksum that leaves any bit of the 4096 bytes out.
    @Test func noFlippedBitIsAccepted() {
        let bytes = Samples.slot(.ready(Samples.attempt, digest: Samples.digest)).encoded
        for bit in 0..<bytes.count * 8 {
            var other = bytes
            other[bit / 8] ^= 1 << (bit % 8)
            if JournalSlot(decoding: other) != nil { Issue.record("bit \(bit)") }
        }
    }

    // Broken by: a trap on bytes that are no slot, or a slot seen in them.
    @Test func bytesThatAreNoSlot() {
        var random = Seeded(3)
        let good = Samples.slot(.intent(Samples.attempt)).encoded
        for count in [0, 1, 7, 8, 16, 4095, 4097, 8192] {
            #expect(JournalSlot(decoding: random.bytes(count)) == nil)
            #expect(JournalSlot(decoding: Array((good + good).prefix(count))) == nil)
        }
        #expect(JournalSlot(decoding: [UInt8](repeating: 0, count: 4096)) == nil)
        for _ in 0..<50 {
            #expect(JournalSlot(decoding: random.bytes(4096)) == nil)
            #expect(JournalSlot(decoding: good.prefix(16) + random.bytes(4080)) == nil)
        }
    }

    // Broken by: a peer's long name overflowing the slot.
    @Test func aLongPeerIsCut() {
        var record = Samples.slot(.none).record
        record.peer = String(repeating: "é", count: 5000)
        let slot = JournalSlot(sequence: 1, record: record)
        #expect(slot.encoded.count == JournalSlot.size)
        #expect(JournalSlot(decoding: slot.encoded)?.record.peer.utf8.count == 512)
    }
}
