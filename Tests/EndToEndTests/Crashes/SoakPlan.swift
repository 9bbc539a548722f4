import Glibc
import TestSupport

/// One move of a soak: what it is asked for and what happens to it, all decided by a seed.
struct SoakMove: Hashable, Sendable, CustomStringConvertible {
    /// What happens to a move; moments are parts of the time that a move takes.
    enum Fate: Hashable, Sendable {
        case undisturbed
        case cancelled(Canceller, at: Double)
        case killed(MoveParty, at: Double)
    }

    /// Who cancels.
    enum Canceller: String, CaseIterable, Sendable {
        /// The operator of the move, by Ctrl-C.
        case interrupt
        /// Somebody else, by `livemig cancel`.
        case command
    }

    /// Counted from 1.
    let number: Int
    /// Further words of `livemig move`.
    let options: [String]
    let fate: Fate

    /// Decides a move; it depends on the seed and its number, not on the moves before.
    init(_ number: Int, seed: UInt64) {
        var chance = Seeded(seed &* 0x1_0000_0001 &+ UInt64(number))
        self.number = number
        options = Self.options(&chance)
        let moment = Double(chance.below(1100)) / 1000
        fate =
            switch chance.below(100) {
            case 0..<2: .killed(Self.parties[chance.below(Self.parties.count)], at: moment)
            case 2..<12:
                .cancelled(
                    Canceller.allCases[chance.below(Canceller.allCases.count)], at: moment)
            default: .undisturbed
            }
    }

    /// A guest whose hypervisor is killed is lost, so nobody kills one.
    private static let parties = MoveParty.allCases.filter {
        ![.sourceGuest, .destinationGuest].contains($0)
    }

    private static func options(_ chance: inout Seeded) -> [String] {
        func one(of words: [String]) -> String { words[chance.below(words.count)] }
        return [
            "--lanes", one(of: ["1", "2", "3"]),
            "--compression", one(of: ["auto", "none", "lz4", "zstd"]),
            "--verify", one(of: ["pages", "pages", "audit", "full"]),
            "--path", one(of: ["direct", "direct", "direct", "relay"]),
        ]
    }

    var isUndisturbed: Bool { fate == .undisturbed }
    var isCancelled: Bool { if case .cancelled = fate { true } else { false } }
    var isKilled: Bool { if case .killed = fate { true } else { false } }

    var description: String {
        let words = options.joined(separator: " ")
        return switch fate {
        case .undisturbed: "move \(number) (\(words))"
        case .cancelled(let who, let moment):
            "move \(number) (\(words)), cancelled by \(who) at \(moment)"
        case .killed(let party, let moment):
            "move \(number) (\(words)), \(party) killed at \(moment)"
        }
    }
}
