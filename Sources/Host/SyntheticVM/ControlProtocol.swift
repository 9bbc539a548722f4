import MigrationModel

/// The messages between a reference guest and its driver, on a socket of sequenced packets.
///
/// A request is `NUMBER NAME [ARGUMENT]` in ASCII, with a descriptor beside it for `save` and
/// `load`; the reply to it is `NUMBER ok TEXT` or `NUMBER failed E-CODE TEXT`. One reply for one
/// request, in order. A driver that gave up waiting recognises a late reply by its number.
///
/// | request | reply |
/// | --- | --- |
/// | `status` | a `MachineStatus` |
/// | `stop`, `resume` | empty, done when it comes |
/// | `save NANOSECONDS` | empty; writes the device state to the descriptor until CLOCK_MONOTONIC says so |
/// | `load NANOSECONDS` | empty; a state that is refused ends the process with status 1 instead |
/// | `verify` | the number of pages that differ and the first of them: `2: 17 40` |
/// | `steps` | the heartbeat's count and each writer's steps: `5120: 88 91` |
/// | `poweroff` | empty; the guest's status is `shutdown` from then on |
/// | `quit` | none: the process ends with status 0 |
/// | `poke PAGE` | empty; changes a page without the invariant's knowledge |
/// | `rate RATE` | empty |
enum ControlRequest: Hashable, Sendable {
    case status, stop, resume, verify, steps, poweroff, quit
    /// Until when, as nanoseconds of CLOCK_MONOTONIC.
    case save(UInt64)
    case load(UInt64)
    case poke(Int)
    case rate(WorkloadParameters.Rate)

    /// The longest request or reply, in bytes.
    static let sizeLimit = 2048

    private static let plain: [String: ControlRequest] = [
        "status": .status, "stop": .stop, "resume": .resume, "verify": .verify, "steps": .steps,
        "poweroff": .poweroff, "quit": .quit,
    ]

    /// Reads a request and its number.
    /// - Throws: `E-WIRE` for anything else.
    static func parse(
        _ bytes: [UInt8]
    ) throws(LivemigError) -> (number: UInt64, request: ControlRequest) {
        let text = String(decoding: bytes.prefix(sizeLimit), as: UTF8.self)
        let words = text.split(separator: " ").map(String.init)
        guard (2...3).contains(words.count), let number = UInt64(words[0]),
            let request = try request(words[1], words.count == 3 ? words[2] : nil)
        else { throw LivemigError(.wire, "not a request: \(text.escaped())") }
        return (number, request)
    }

    private static func request(
        _ name: String, _ argument: String?
    ) throws(LivemigError) -> ControlRequest? {
        guard let argument else { return plain[name] }
        switch name {
        case "save": return UInt64(argument).map(ControlRequest.save)
        case "load": return UInt64(argument).map(ControlRequest.load)
        case "poke": return Int(argument).map(ControlRequest.poke)
        case "rate": return .rate(try WorkloadParameters.Rate(parsing: argument))
        default: return nil
        }
    }

    /// The name, for messages.
    var name: String { words[0] }

    /// The message with its number in front.
    func encoded(number: UInt64) -> [UInt8] {
        Array(([String(number)] + words).joined(separator: " ").utf8)
    }

    private var words: [String] {
        switch self {
        case .save(let deadline): ["save", String(deadline)]
        case .load(let deadline): ["load", String(deadline)]
        case .poke(let page): ["poke", String(page)]
        case .rate(.idle): ["rate", "0"]
        case .rate(.unlimited): ["rate", "max"]
        case .rate(.limited(let rate)): ["rate", "\(rate.bytesPerSecond)B/s"]
        case .status, .stop, .resume, .verify, .steps, .poweroff, .quit:
            [Self.plain.first { $0.value == self }?.key ?? ""]
        }
    }
}

/// What a reference guest answers.
struct ControlReply: Hashable, Sendable {
    let number: UInt64
    let result: Result<String, LivemigError>

    init(number: UInt64, _ result: Result<String, LivemigError>) {
        self.number = number
        self.result = result
    }

    /// Reads a reply.
    /// - Throws: `E-QMP-PROTO` for anything else.
    init(parsing bytes: [UInt8]) throws(LivemigError) {
        let text = String(decoding: bytes.prefix(ControlRequest.sizeLimit), as: UTF8.self)
        let words = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3, let number = UInt64(words[0]) else {
            throw LivemigError(.qmpProtocol, "not a reply: \(text.escaped())")
        }
        self.number = number
        switch words[1] {
        case "ok": result = .success(String(words[2]))
        case "failed":
            let parts = words[2].split(separator: " ", maxSplits: 1)
            let code = parts.first.flatMap { ErrorCode(rawValue: String($0)) } ?? .qmp
            result = .failure(LivemigError(code, parts.count == 2 ? String(parts[1]) : ""))
        default: throw LivemigError(.qmpProtocol, "not a reply: \(text.escaped())")
        }
    }

    /// The message.
    var encoded: [UInt8] {
        switch result {
        case .success(let text): Array("\(number) ok \(text)".utf8.prefix(ControlRequest.sizeLimit))
        case .failure(let error):
            Array(
                "\(number) failed \(error.code.rawValue) \(error.explanation)".utf8.prefix(
                    ControlRequest.sizeLimit))
        }
    }
}
