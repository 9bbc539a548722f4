import Handoff
import Testing

@Suite("The time limits of a move")
struct HandoffLimitsTests {
    // Breaks when a limit is changed and somebody gives up before another has had its time.
    @Test(arguments: HandoffLimits.inequalities.map(\.rule))
    func hold(rule: String) throws {
        let inequality = try #require(HandoffLimits.inequalities.first { $0.rule == rule })
        #expect(inequality.holds)
    }
}
