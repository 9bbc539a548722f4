import Handoff
import MigrationModel
import Testing

@Suite("A recovery")
struct RecoveryRunTests {
    private static let flight: VMLocation? = try? judge(
        ("alpha", view("REL", .paused, peer: "beta")),
        ("beta", view("RDY", .paused, peer: "alpha")), ("gamma", view("ABT", .paused, epoch: 5)))

    private static func words(_ effect: RecoveryRun.Effect) -> String {
        switch effect {
        case .perform(let step, let host): "\(host) \(step.brief)"
        case .end(nil): "end"
        case .end(let error?): error.code.rawValue
        }
    }

    // Breaks when a step is left out, made twice, or made before the one it relies on.
    @Test("steps are made one after the other")
    func order() throws {
        var run = try RecoveryRun(of: try #require(Self.flight), nil)
        var heard = [Self.words(run.begin())]
        for _ in 0..<3 { heard.append(Self.words(run.handle(.done))) }
        #expect(heard == ["beta token", "alpha finish", "gamma discard", "end"])
        #expect(run.done.map(\.step.brief) == ["token", "finish", "discard"])
        #expect(Self.words(run.handle(.done)) == "end" && run.done.count == 3)
    }

    // Breaks when a source loses its copy though the destination did not take the right.
    @Test("the first failure is the end")
    func failure() throws {
        var run = try RecoveryRun(of: try #require(Self.flight), nil)
        _ = run.begin()
        #expect(Self.words(run.handle(.failed(LivemigError(.stall, "silent")))) == "E-STALL")
        #expect(Self.words(run.handle(.done)) == "end")
        #expect(run.done.isEmpty)
    }

    // Breaks when a decision is taken that does not fit, or the wrong host gives the VM up.
    @Test("what an operator decides")
    func decisions() throws {
        let (alpha, beta) = (try HostName("alpha"), try HostName("beta"))
        let given = try judge(
            ("alpha", view("REL", .paused, peer: "beta")),
            ("beta", .silent(LivemigError(.connect, "refused"))))
        var fenced = try RecoveryRun(of: given, .fenced(beta))
        #expect(Self.words(fenced.begin()) == "alpha seize")
        #expect(throws: LivemigError.self) { _ = try RecoveryRun(of: given, .fenced(alpha)) }
        let twice = try judge(("alpha", view("OWN", epoch: 5)), ("beta", view("OWN")))
        var overruled = try RecoveryRun(of: twice, .overruled(alpha))
        #expect(Self.words(overruled.begin()) == "alpha overrule")
        #expect(Self.words(overruled.handle(.done)) == "beta settle")
        #expect(throws: LivemigError.self) { _ = try RecoveryRun(of: twice, .overruled(beta)) }
    }
}
