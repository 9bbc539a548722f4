import Glibc
import SyntheticVM

/// The reference guest's process; all it does is in `SyntheticVM`.
@main enum Entry {
    static func main() {
        exit(GuestProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
