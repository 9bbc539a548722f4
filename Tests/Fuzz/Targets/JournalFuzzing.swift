import Journal
import WireProtocol

/// Reads one slot of a record.
///
/// A first byte of 0 takes the rest as the slot; any other takes it as what stands behind magic and
/// checksum, which are made right.
enum JournalFuzzing {
    private static let magic: [UInt8] = Array("LMOWNER1".utf8)
    /// Magic and checksum.
    private static let headBytes = 16

    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        guard let mode = input.first else { return .refused }
        let rest = Array(input.dropFirst())
        guard let slot = JournalSlot(decoding: mode == 0 ? rest : repaired(rest)) else {
            return .refused
        }
        try promise(
            JournalSlot(decoding: slot.encoded) == slot, "\(slot) is not read as it is written")
        return .accepted
    }

    private static func repaired(_ content: [UInt8]) -> [UInt8] {
        let room = JournalSlot.size - headBytes
        let body = content.prefix(room) + [UInt8](repeating: 0, count: max(0, room - content.count))
        var head = WireWriter()
        head.integer(unsafe Checksum.of(Array(body).span.bytes))
        return magic + head.bytes + body
    }
}
