import MigrationModel
import Testing

@Suite("Priorities")
struct PriorityTests {
    // Broken by: a name or number that reads as another priority, or a bad one that is accepted.
    @Test(
        "reading", arguments: [("low", 1000), ("medium", 2000), ("high", 3000), ("0", 0)])
    func reads(text: String, number: Int) throws {
        #expect(try Priority(parsing: text).number == number)
    }

    // Broken by: a priority outside its range, or an error that does not say the range.
    @Test("refusing", arguments: ["", "urgent", "-1", "10000", "high "])
    func refuses(text: String) {
        let error = #expect(throws: LivemigError.self) { try Priority(parsing: text) }
        #expect(error?.code == .range)
        #expect(error?.fix == "write low, medium, high or a number of 0–9999")
    }

    // Broken by: an order other than that of the numbers, or a number shown for a name.
    @Test func order() throws {
        #expect(Priority.low < .medium && .medium < Priority.high)
        #expect(try Priority(2500) > .medium)
        #expect("\(Priority.high) \(try Priority(2500))" == "high 2500")
    }
}
