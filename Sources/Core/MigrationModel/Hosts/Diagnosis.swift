/// One item of what a host was examined for.
public struct Diagnosis: Hashable, Sendable {
    /// What it comes to.
    public enum State: UInt8, Hashable, Sendable, CaseIterable {
        /// As it should be.
        case ok = 1
        /// Guests can be moved, but something should be known or done.
        case warning = 2
        /// It keeps guests from being moved.
        case error = 3

        /// The word that is printed; stable, for scripts.
        public var word: String {
            switch self {
            case .ok: "ok"
            case .warning: "warning"
            case .error: "error"
            }
        }
    }

    /// What it is about, such as `kernel`; stable, for scripts.
    public var id: String
    /// What it comes to.
    public var state: State
    /// What was found, in one clause.
    public var what: String
    /// What to do about it; empty where there is nothing to do.
    public var fix: String

    /// States an item.
    public init(_ id: String, _ state: State, _ what: String, fix: String = "") {
        self.id = id
        self.state = state
        self.what = what
        self.fix = fix
    }

    /// An item that is as it should be, or in a given state with the error's words.
    public init(
        _ id: String, otherwise state: State = .error, _ look: () throws(LivemigError) -> String
    ) {
        do throws(LivemigError) {
            self.init(id, .ok, try look())
        } catch {
            let place = error.place.isEmpty ? "" : "; \(error.place)"
            self.init(id, state, error.what + place, fix: error.fix)
        }
    }
}

extension [Diagnosis] {
    /// How many are in a state.
    public func count(of state: Diagnosis.State) -> Int { filter { $0.state == state }.count }

    /// One line for each, and one below it for what to do; control characters are escaped.
    public var lines: [String] {
        let states = map(\.state.word.count).max() ?? 0
        let names = map(\.id.count).max() ?? 0
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: Swift.max(0, width - text.count) + 2)
        }
        return flatMap { item -> [String] in
            let line = padded(item.state.word, states) + padded(item.id, names) + item.what
            guard !item.fix.isEmpty else { return [line.onOneLine()] }
            let margin = String(repeating: " ", count: states + names + 4)
            return [line.onOneLine(), "\(margin)→ \(item.fix)".onOneLine()]
        }
    }
}
