import AgentCommands
import ArgumentParser
import MigrationModel

/// Reads a command line: arguments with a zero byte after each, as in `/proc/PID/cmdline`.
enum ArgumentFuzzing {
    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        let words = input.split(separator: 0, omittingEmptySubsequences: false)
        let arguments = words.map { String(decoding: $0, as: UTF8.self) }
        do {
            try LivemigAgent.check(input.last == 0 ? Array(arguments.dropLast()) : arguments)
            return .accepted
        } catch let error as LivemigError {
            _ = "\(error)"
            return .refused
        } catch {
            _ = LivemigAgent.fullMessage(for: error)
            return LivemigAgent.exitCode(for: error) == .success ? .accepted : .refused
        }
    }
}
