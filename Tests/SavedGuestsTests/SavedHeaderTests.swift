import MigrationModel
import SavedGuests
import TestSupport
import Testing

@Suite("The header of a saved guest")
struct SavedHeaderTests {
    static let identity = SavedHeader.Identity(
        uuid: VMUUID(Bits128(high: 1, low: 2)), epoch: Epoch(7), memory: .mebibytes(64))

    static let header = SavedHeader(
        identity: identity, secret: 0xABCD, digest: Bits128(high: 3, low: 4), stateBytes: 5,
        stateChecksum: 6, wasRunning: true, time: 1_700_000_000)

    // Broken by: a field that is written elsewhere than it is read.
    @Test func isReadAsWritten() throws {
        #expect(Self.header.encoded.count == SavedHeader.size)
        #expect(try SavedHeader(decoding: Self.header.encoded) == Self.header)
        var paused = Self.header
        paused.wasRunning = false
        #expect(try SavedHeader(decoding: paused.encoded) == paused)
    }

    // Broken by: a byte of the header that no check covers.
    @Test func everyFlippedBitIsSeen() throws {
        for byte in 0..<SavedHeader.size {
            var bytes = Self.header.encoded
            bytes[byte] ^= 1 << (byte % 8)
            let error = #expect(throws: LivemigError.self) { try SavedHeader(decoding: bytes) }
            #expect(error?.code == .savedFile, "byte \(byte)")
        }
    }

    // Broken by: a header that was cut off, or never written, being taken for one.
    @Test("shorter, longer, empty", arguments: [0, 1, 8, 15, 16, 4095, 4097, 8192])
    func otherLengths(count: Int) {
        let bytes = Array(
            (Self.header.encoded + [UInt8](repeating: 0, count: 4096)).prefix(count))
        #expect(throws: LivemigError.self) { try SavedHeader(decoding: bytes) }
        #expect(throws: LivemigError.self) {
            try SavedHeader(decoding: [UInt8](repeating: 0, count: count))
        }
    }

    // Broken by: sizes that make the size of the file overflow, or memory that no guest can have.
    @Test(
        "impossible sizes",
        arguments: [
            (0, 5), (4095, 5), (4097, 5), (1 << 63, 5), (.max, .max), (17 << 40, 5),
            (4096, 65 << 20), (4096, .max),
        ] as [(UInt64, UInt64)])
    func sizes(memory: UInt64, state: UInt64) {
        var header = Self.header
        header.identity.memory = ByteCount(memory)
        header.stateBytes = state
        let error = #expect(throws: LivemigError.self) {
            try SavedHeader(decoding: header.encoded)
        }
        #expect(error?.code == .savedFile)
    }

    // Broken by: another VM's guest, one of an earlier epoch or one of another size being restored.
    @Test func foreignGuests() throws {
        try Self.header.require(Self.identity)
        var others = [Self.identity, Self.identity, Self.identity]
        others[0].uuid = VMUUID(Bits128(high: 1, low: 3))
        others[1].epoch = Epoch(8)
        others[2].memory = .mebibytes(128)
        for (other, word) in zip(others, ["VM", "epoch", "memory"]) {
            let error = #expect(throws: LivemigError.self) { try Self.header.require(other) }
            #expect(error?.code == .savedFile)
            #expect(error?.what.contains(word) == true)
            #expect(error?.fix.contains("--discard-saved") == true)
        }
    }
}
