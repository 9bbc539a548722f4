import FoundationEssentials
import MigrationModel

/// JSON as commands print it: one value a line, names in snake case, in alphabetical order.
enum JSONText {
    static func line(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The documents hold text, finite numbers, flags and lists of them, which always encode.
        guard let data = try? encoder.encode(value) else { return #"{"event":"error"}"# }
        return String(decoding: data, as: UTF8.self)
    }

    /// The time now, as `2026-01-31T12:00:00.123Z` (RFC 3339).
    static var time: String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}

extension Duration {
    /// Milliseconds with at most three digits behind the point, never less than the duration.
    var jsonMilliseconds: Double { (milliseconds * 1000).rounded(.up) / 1000 }
}

/// `error`: what went wrong, and where that leaves the guest.
struct ErrorEvent: Encodable {
    let event = "error"
    let time = JSONText.time
    let code: String
    let message: String
    let place: String
    let fix: String
    let exitCode: Int32
    var vm: String?
    let vmIs: GuestDocument?

    init(_ error: LivemigError, vm: String? = nil) {
        code = error.code.rawValue
        message = error.what
        place = error.place
        fix = error.fix
        exitCode = error.code.exitCode.rawValue
        self.vm = vm
        vmIs = error.guest.map(GuestDocument.init)
    }
}

/// Where a guest is.
struct GuestDocument: Encodable {
    let state: String
    let host: String
    let epoch: UInt64

    init(_ guest: GuestLocation) {
        state = guest.state.rawValue
        host = guest.host
        epoch = guest.epoch.number
    }
}
