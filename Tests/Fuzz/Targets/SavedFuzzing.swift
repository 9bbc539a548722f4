import MigrationModel
import SavedGuests
import WireProtocol

/// Reads the header of a saved guest.
///
/// A first byte of 0 takes the rest as the header; any other takes it as what stands behind magic
/// and checksum, which are made right.
enum SavedFuzzing {
    private static let magic: [UInt8] = Array("LMSAVED1".utf8)
    /// Magic and checksum.
    private static let headBytes = 16

    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        guard let mode = input.first else { return .refused }
        let rest = Array(input.dropFirst())
        guard let header = try? SavedHeader(decoding: mode == 0 ? rest : repaired(rest)) else {
            return .refused
        }
        try promise(
            (try? SavedHeader(decoding: header.encoded)) == header,
            "\(header) is not read as it is written")
        return .accepted
    }

    private static func repaired(_ content: [UInt8]) -> [UInt8] {
        let room = SavedHeader.size - headBytes
        let body = content.prefix(room) + [UInt8](repeating: 0, count: max(0, room - content.count))
        var head = WireWriter()
        head.integer(unsafe Checksum.of(Array(body).span.bytes))
        return magic + head.bytes + body
    }
}
