import FuzzTargets
import Journal
import MigrationModel
import Ownership
import PageCodec
import SavedGuests
import TestSupport
import WireProtocol

/// Real inputs, made by the code that makes them in a move.
enum SeedSamples {
    static func of(_ target: FuzzTarget) throws -> [Seed] {
        switch target {
        case .frames: try frames
        case .lane: try [Seed("two-rounds", LaneSample.lane().input)]
        case .batches: try LaneSample.batches()
        case .journal: journal
        case .saved: saved
        case .domain: DocumentSamples.domains
        case .inventory: DocumentSamples.inventories
        case .policy: DocumentSamples.policies
        case .qmp: MonitorSamples.conversations
        case .arguments: arguments
        }
    }

    // MARK: Frames

    /// Every message of the protocol, each as the golden file has it, and a real connection.
    private static var frames: [Seed] {
        get throws {
            let golden = try FrameType.allCases.enumerated().compactMap { index, type in
                try message(type).map { Script.Line(UInt8(index), $0) }
            }
            let connection =
                Array(Banner(role: .agent).line.utf8) + ClockProbe(sent: 1).frame(sequence: 0)
                + DoneMessage().frame(sequence: 1)
            return [
                Seed("messages", [2, 0xFF] + Script(golden).input),
                Seed("greeting", [1, 7] + connection),
                Seed("stream", [0, 0xFF] + DoneMessage().frame(sequence: 0)),
            ]
        }
    }

    private static func message(_ type: FrameType) throws -> [UInt8]? {
        // Batches are no message; what stays on a host has no golden file.
        guard type != .batch, type.rawValue < FrameType.guardianDescribe.rawValue else {
            return nil
        }
        let text = try Repository.read("Tests/WireProtocolTests/Golden/\(type).hex")
        let bytes = text.split(separator: "\n").flatMap { line in
            line.prefix { $0 != "#" }.split(separator: " ").compactMap { UInt8($0, radix: 16) }
        }
        return Array(bytes.dropFirst(FrameHeader.size))
    }

    // MARK: Records

    private static var journal: [Seed] {
        let attempt = Attempt(
            migration: MigrationID(Bits128(high: 0x0011_2233, low: 0x4455_6677)), epoch: Epoch(7))
        let digest = Bits128(high: 0xD1D2, low: 0xE1E2)
        let rights: [(String, Right)] = [
            ("owner", .owner(Epoch(7), attempt.migration)), ("intent", .intent(attempt)),
            ("released", .released(attempt, digest: digest)), ("gone", .gone(attempt)),
            ("armed", .armed(attempt)), ("ready", .ready(attempt, digest: digest)),
            ("aborted", .aborted(attempt)),
        ]
        return rights.flatMap { name, right in
            let record = OwnershipRecord(
                uuid: VMUUID(Bits128(high: 1, low: 2)), right: right, peer: "beta SHA256:abc",
                time: 1_700_000_000)
            let bytes = JournalSlot(sequence: 5, record: record).encoded
            // As it is, and as what stands behind magic and checksum.
            return [
                Seed(name, [0] + bytes), Seed("\(name)-content", [1] + bytes[16..<128]),
            ]
        }
    }

    // MARK: Saved guests

    private static var saved: [Seed] {
        let header = SavedHeader(
            identity: SavedHeader.Identity(
                uuid: VMUUID(Bits128(high: 1, low: 2)), epoch: Epoch(7), memory: .mebibytes(64)),
            secret: 3, digest: Bits128(high: 4, low: 5), stateBytes: 6, stateChecksum: 7,
            wasRunning: true, time: 1_700_000_000)
        return [
            Seed("header", [0] + header.encoded),
            Seed("header-content", [1] + header.encoded[16..<128]),
        ]
    }

    // MARK: Command lines

    private static var arguments: [Seed] {
        let migration = "00112233445566778899aabbccddeeff"
        let lines: [(String, [String])] = [
            ("serve", ["serve", "--root", "/var/lib/livemig"]),
            (
                "lane",
                [
                    "lane", "--root", "/r", "--peer", "alpha", "--peer", "a1", "--key", "SHA256:x",
                    "--become", "sudo",
                ]
            ),
            ("attach", ["lane", "--attach", migration]),
            (
                "guard",
                ["guard", "--root=/r", "--vm", "web1", "--incoming"]
            ),
            ("doctor", ["doctor"]), ("help", ["help", "lane"]), ("version", ["--version"]),
        ]
        return lines.map { name, words in
            Seed(name, words.flatMap { Array($0.utf8) + [0] })
        }
    }
}
