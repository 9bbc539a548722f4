import MigrationModel
import Testing

@testable import SyntheticVM

@Suite struct ControlProtocolTests {
    /// Breaks when a request does not arrive as it was sent.
    @Test(arguments: [
        ControlRequest.status, .stop, .resume, .verify, .steps, .poweroff, .quit,
        .save(.max), .load(0), .poke(17), .rate(.idle), .rate(.unlimited),
        .rate(.limited(Bandwidth(bytesPerSecond: 12345))),
    ])
    func requestsSurvive(_ request: ControlRequest) throws {
        let (number, arrived) = try ControlRequest.parse(request.encoded(number: 99))
        #expect(number == 99)
        #expect(arrived == request)
    }

    /// Breaks when nonsense is taken for a request.
    @Test(arguments: [
        "", "1", "stop", "x stop", "1 halt", "1 stop now", "1 save", "1 save x", "1 poke -x",
        "1 rate", "1 rate 5", "1 save 1 2", "-1 stop", "1 poke 99999999999999999999",
    ])
    func refusesRequests(_ text: String) {
        #expect(throws: LivemigError.self) { _ = try ControlRequest.parse(Array(text.utf8)) }
    }

    /// Breaks when a reply loses its number, its text or its error's code.
    @Test func repliesSurvive() throws {
        let replies = [
            ControlReply(number: 1, .success("")), ControlReply(number: 2, .success("3: 1 2 3")),
            ControlReply(number: 3, .failure(LivemigError(.lock, "disk lock refused"))),
        ]
        for reply in replies { #expect(try ControlReply(parsing: reply.encoded) == reply) }
    }

    /// Breaks when nonsense is taken for a reply.
    @Test(arguments: ["", "1", "1 ok", "x ok ", "1 perhaps x", "ok 1 x"])
    func refusesReplies(_ text: String) {
        let error = #expect(throws: LivemigError.self) {
            _ = try ControlReply(parsing: Array(text.utf8))
        }
        #expect(error?.code == .qmpProtocol)
    }
}
