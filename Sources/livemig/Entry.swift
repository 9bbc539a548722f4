import Commands
import Glibc

/// The operator's program: `livemig`.
@main
enum Entry {
    static func main() async {
        exit(await CommandLineProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
