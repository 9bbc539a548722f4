import Glibc
import MigrationModel
import Testing

/// A QEMU that guests of a test run in.
struct Emulator: CustomTestStringConvertible {
    /// The program; `nil` for the distribution's.
    let path: String?

    /// The distribution's QEMU, and QEMU 10 where `LIVEMIG_QEMU_10` names its program.
    static var all: [Emulator] {
        let other = unsafe getenv("LIVEMIG_QEMU_10").map { unsafe String(cString: $0) }
        return [Emulator(path: nil)] + (other.map { [Emulator(path: $0)] } ?? [])
    }

    /// The element of a definition that asks for it.
    var element: String { path.map { "<emulator>\($0)</emulator>" } ?? "" }

    var testDescription: String { path ?? "the distribution's QEMU" }
}
