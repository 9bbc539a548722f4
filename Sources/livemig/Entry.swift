import Commands

/// The operator's program: `livemig`.
@main
enum Entry {
    static func main() async {
        await CommandLineProgram.main(Array(CommandLine.arguments.dropFirst()))
    }
}
