import FoundationEssentials
import Testing

/// A line that `livemig --output json` prints, with the fields that the manual names.
struct MoveLine: Decodable {
    let event: String
    let time: String
    let vm: String?
    let phase: String?
    let number: Int?
    let code: String?
    let message: String?
    let fix: String?
    let migration: String?
    let source: String?
    let destination: String?
    let outcome: String?
    let exitCode: Int32?
    let mode: String?
    let rounds: Int?
    let totalMs: Double?
    let transferMs: Double?
    let downtimeMs: Downtime?
    let guestBytes: UInt64?
    let wireBytes: UInt64?
    let pages: PageField?
    let verified: String?
    let differingPages: Differing?
    let vmIs: Place?

    struct Downtime: Decodable {
        let total, finalPages, deviceState, commit, resume: Double
    }

    struct Differing: Decodable, Equatable {
        let count: UInt64
        let first: [UInt64]
    }

    struct Pages: Decodable {
        let sent, zero, duplicate, delta, unchanged, faulted: UInt64
    }

    /// In `round` a number of pages, in `result` their kinds.
    enum PageField: Decodable {
        case count(UInt64)
        case kinds(Pages)

        init(from decoder: any Decoder) throws {
            if let count = try? decoder.singleValueContainer().decode(UInt64.self) {
                self = .count(count)
            } else {
                self = .kinds(try Pages(from: decoder))
            }
        }
    }

    struct Place: Decodable, Equatable {
        let state, host: String
        let epoch: UInt64
    }
}

/// A VM as `livemig vm list` prints it.
struct MachineLine: Decodable {
    let name, uuid, host, state: String
    let memoryBytes, epoch: UInt64
}

struct MachineLines: Decodable {
    let vms: [MachineLine]
}

extension CommandResult {
    /// Every line of standard output as JSON.
    func decode<Line: Decodable>(_: Line.Type = Line.self) throws -> [Line] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try lines.map { try decoder.decode(Line.self, from: Data($0.utf8)) }
    }

    /// The lines of a move; the last one must be its result.
    func moveLines(_ location: SourceLocation = #_sourceLocation) throws -> [MoveLine] {
        let lines = try decode(MoveLine.self)
        #expect(lines.last?.event == "result", "\(self)", sourceLocation: location)
        for line in lines {
            #expect(line.time.contains("T"), "\(line.time)", sourceLocation: location)
        }
        return lines
    }
}
