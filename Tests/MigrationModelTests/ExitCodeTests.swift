import MigrationModel
import Testing

@Suite("Several exit codes")
struct ExitCodeTests {
    // Breaks when a refusal hides a guest in transit behind a lesser exit code.
    @Test("several results end with the worst")
    func worst() {
        #expect(ExitCode.worst(of: []) == .success)
        #expect(ExitCode.worst(of: [.success, .refused]) == .refused)
        #expect(ExitCode.worst(of: [.cancelled, .failedOnSource, .inTransfer]) == .inTransfer)
        #expect(ExitCode.worst(of: [.busy, .resources]) == .resources)
    }

    // Breaks when a code has no place in the order, and so counts as success.
    @Test("no failure hides behind a success", arguments: ExitCode.allCases)
    func every(code: ExitCode) {
        #expect(ExitCode.worst(of: [.success, code]) == code)
    }
}
