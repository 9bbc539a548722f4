import MigrationModel
import WireProtocol

/// How the payload of a message lies in bytes, stated apart from the code that codes it.
///
/// Golden files are annotated by it, and the tables of the protocol's document are its rows.
indirect enum Layout: Sendable {
    /// An integer, a flag or an identifier of some bytes.
    case fixed(String, Int, note: String = "")
    /// A length, u32, and so many bytes of at most a limit.
    case text(String, Int)
    /// One byte that is 1 or 0, and the field if it is 1.
    case optional(Layout)
    /// A count, u32, of at most a limit, and so many elements.
    case list(String, Int, [Layout])
    /// Fields that belong together.
    case group(String, [Layout])

    static let attempt: [Layout] = [.fixed("migration", 16), .fixed("epoch", 8)]
    static let digest = Layout.fixed("digest", 16)
    static let vmName = Layout.text("name", 64)
    static let pages: [Layout] = [
        .fixed("pages sent", 8), .fixed("pages zero", 8), .fixed("pages unchanged", 8),
    ]
    static let differing: [Layout] = [
        .fixed("differing", 8, note: "pages"),
        .list("first", DifferingPages.limit, [.fixed("page", 8)]),
    ]
    static let reach = Layout.list(
        "reach", WireLimits.devices,
        [
            .text("bridge", NetworkMap.nameLimit), .text("mac", WireLimits.word),
            .optional(.fixed("after", 8, note: "ns, signed")),
            .fixed(
                "state", 1,
                note: "0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking"),
        ])
    static let verification = "1 frame, 2 pages, 3 audit, 4 full"
    static let error: [Layout] = [
        .text("code", 64), .text("what", WireLimits.sentence), .text("place", WireLimits.sentence),
        .text("fix", WireLimits.sentence),
    ]
    static let complaint: [Layout] =
        [.text("code", 64)] + ["what", "place", "fix"].map { .text($0, WireLimits.reason) }
    static let damaged: [Layout] =
        [vmName, .optional(.fixed("uuid", 16)), .text("code", 64)]
        + ["what", "place", "fix"].map { .text($0, WireLimits.reason) }
    static let failure: [Layout] =
        error + [
            .optional(
                .group(
                    "guest",
                    [
                        .text("vm", WireLimits.name), .text("state", WireLimits.name),
                        .text("host", WireLimits.name), .fixed("epoch", 8),
                    ])),
            .optional(.fixed("full slots", 1, note: "outgoing 1, incoming 2")),
        ]
    /// Where lanes go, and how a move behaves.
    static let peer: [Layout] = [
        .group(
            "peer",
            [.text("name", 64), .text("address", 255), .fixed("port", 2), .text("user", 64)]),
        .list("host keys", WireLimits.items, [.text("key", 64)]),
        .list(
            "jumps", WireLimits.jumps,
            [
                .text("name", 64), .text("address", 255), .fixed("port", 2), .text("user", 64),
                .list("host keys", WireLimits.items, [.text("key", 64)]),
            ]),
    ]
    static let terms: [Layout] =
        peer + [
            .fixed("max downtime", 8, note: "ns, signed, above 0"),
            .fixed("timeout", 8, note: "ns, signed, above 0"),
            .fixed("on timeout", 1, note: "1 abort, 2 pause"),
            .optional(.fixed("bandwidth", 8, note: "bytes a second")),
            .optional(.fixed("lanes", 1, note: "1–16")),
            .fixed("compression", 1, note: "1 auto, 2 none, 3 LZ4, 4 zstd"),
            .fixed("path", 1, note: "1 direct, 2 relay"), .fixed("keep paused", 1, note: "flag"),
            .fixed("verification", 1, note: verification),
        ]
    static let machine: [Layout] = [
        vmName, .fixed("uuid", 16), .text("kind", WireLimits.name),
        .text("state", WireLimits.name), .fixed("memory", 8, note: "bytes"), .fixed("vcpus", 4),
        .optional(.text("cpu model", WireLimits.name)), guestPolicy, right,
        .optional(.group("complaint", complaint)),
    ]
    static let guestPolicy = Layout.group(
        "guest policy",
        [
            .fixed("priority", 2, note: "0 to 9999"),
            .fixed("drain", 1, note: "live 1, save 2, stop 3, leave 4"),
            .fixed("fallback", 1, note: "none 0, else as drain"),
            .list("preferred", PlacementRules.hostLimit, [.text("host", WireLimits.word)]),
            .list("forbidden", PlacementRules.hostLimit, [.text("host", WireLimits.word)]),
            .optional(.text("affinity", WireLimits.word)),
            .optional(
                .group(
                    "anti-affinity",
                    [.text("group", WireLimits.word), .fixed("required", 1, note: "flag")])),
        ])
    static let right = Layout.group(
        "right",
        [
            .fixed("state", 1, note: "NONE 0, OWN 1, INT 2, REL 3, GONE 4, ARM 5, RDY 6, ABT 7"),
            .fixed("epoch", 8), .fixed("has a migration", 1, note: "flag"),
            .fixed("migration", 16), .fixed("digest", 16),
        ])
    static let bridges = Layout.list(
        "bridges", WireLimits.bridges,
        [.text("old", NetworkMap.nameLimit), .text("new", NetworkMap.nameLimit)])
    static let finding: [Layout] =
        [.text("id", WireLimits.word)]
        + ["message", "place", "source", "destination", "fix"].map {
            .text($0, WireLimits.sentence)
        }
    static let record = Layout.group(
        "record",
        [.fixed("uuid", 16), right, .text("peer", OwnershipRecord.peerLimit), .fixed("time", 8)])

    /// The rows of the document's table.
    func rows(_ prefix: String = "") -> [String] {
        switch self {
        case .fixed(let name, let size, let note):
            ["| \(prefix)\(name) | \(size)\(note.isEmpty ? "" : ", \(note)") |"]
        case .text(let name, let limit): ["| \(prefix)\(name) | 4 + n, n ≤ \(limit) |"]
        case .optional(.group(let name, let fields)):
            ["| \(prefix)\(name)? | 1, then if 1 |"] + fields.flatMap { $0.rows(name + ".") }
        case .optional(let field):
            field.rows(prefix).map { $0.replacing(" | ", with: "? | 1, then if 1: ", at: 1) }
        case .list(let name, let limit, let fields):
            ["| \(prefix)\(name)[ ] | 4 + n elements, n ≤ \(limit) |"]
                + fields.flatMap { $0.rows(name + "[ ].") }
        case .group(let name, let fields): fields.flatMap { $0.rows(name + ".") }
        }
    }
}

extension String {
    fileprivate func replacing(_ old: String, with new: String, at count: Int) -> String {
        let parts = split(separator: old, maxSplits: count, omittingEmptySubsequences: false)
        return parts.joined(separator: new)
    }
}

/// Splits a payload into annotated fields by its layout.
struct Annotator {
    private(set) var lines: [(bytes: ArraySlice<UInt8>, name: String)] = []
    private(set) var rest: ArraySlice<UInt8>

    init(_ payload: [UInt8]) { rest = payload[...] }

    mutating func take(_ fields: [Layout], _ prefix: String = "") {
        for field in fields { take(field, prefix) }
    }

    private mutating func take(_ field: Layout, _ prefix: String) {
        switch field {
        case .fixed(let name, let size, _): take(size, prefix + name)
        case .text(let name, _):
            let count = take(4, prefix + name + ", length")
            if count > 0 { take(count, prefix + name) }
        case .optional(let field):
            if case .group(let name, let fields) = field {
                if take(1, prefix + name + " follows") == 1 { take(fields, name + ".") }
            } else if take(1, prefix + "the next field follows") == 1 {
                take(field, prefix)
            }
        case .list(let name, _, let fields):
            let count = take(4, prefix + name + ", count")
            for index in 0..<count { take(fields, "\(prefix)\(name)[\(index)].") }
        case .group(let name, let fields): take(fields, prefix + name + ".")
        }
    }

    /// Takes some bytes; returns them as a little-endian number where they are at most four.
    @discardableResult
    private mutating func take(_ size: Int, _ name: String) -> Int {
        let part = rest.prefix(size)
        rest = rest.dropFirst(size)
        lines.append((part, name))
        return size > 4 ? 0 : part.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
