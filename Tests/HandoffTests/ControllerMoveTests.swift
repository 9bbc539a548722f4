import Handoff
import MigrationModel
import Testing

@Suite("During a move")
struct ControllerMoveTests {
    private struct Talk {
        var conversation: ControllerMove
        var ending: ControllerMove.Ending?
        var cancels = 0
        var wake = 0
        var notes: [String] = []

        init(_ verification: MigrationPolicy.Verification = .pages) throws {
            conversation = ControllerMove(
                source: try HostName("alpha"), destination: try HostName("beta"),
                verification: verification)
        }

        mutating func tell(_ inputs: ControllerMove.Input...) {
            for input in inputs {
                for effect in conversation.handle(input) {
                    switch effect {
                    case .sendCancel: cancels += 1
                    case .wake(_, let number): wake = number
                    case .end(let end): ending = end
                    case .show(.note(let text)): notes.append(text)
                    case .show: break
                    }
                }
            }
        }

        var failure: ErrorCode? {
            if case .failed(let error)? = ending { error.code } else { nil }
        }
    }

    private static let broke = LivemigError(.disconnected, "lane ended")
    private static let cause = LivemigError(.destinationQEMU, "exit 1")

    // Breaks when a finished move waits for more, or left-overs are not told.
    @Test("the source's report ends the move")
    func moved() throws {
        var talk = try Talk()
        talk.tell(.message(.source, .moved(report())))
        guard case .moved(_, nil)? = talk.ending else { Issue.record("not moved"); return }
        var unclean = try Talk()
        unclean.tell(.message(.source, .moved(report(clean: false))))
        guard case .moved(_, let error?)? = unclean.ending else { Issue.record("clean"); return }
        #expect(error.code.exitCode == .committed)
    }

    // Breaks when an audit that found something, or did not take place, counts as success, or what
    // it found is hidden behind a copy that is left over.
    @Test("an audit that does not end well is told")
    func audit() throws {
        func told(_ change: (inout MigrationReport) -> Void) throws -> LivemigError? {
            var report = report(clean: false)
            report.sourceIsClean = true
            report.verified = .audit
            change(&report)
            var talk = try Talk(.audit)
            talk.tell(.message(.source, .moved(report)))
            guard case .moved(_, let error)? = talk.ending else {
                throw LivemigError(.internal, "not moved")
            }
            return error
        }
        #expect(try told { _ in } == nil)
        let unfinished = try told { $0.verified = .pages }
        #expect(unfinished?.code == .cleanup)
        #expect(unfinished?.what.contains("audit was not finished") == true)
        let different = try told { report in
            report.differing.add(4711)
            report.sourceIsClean = false
        }
        #expect(different?.code.exitCode == .verification)
        #expect(different?.what.contains("1 page differs: 4711") == true)
    }

    // Breaks when the error shown is that somebody stopped talking although the cause is known.
    @Test("the cause wins over its consequences, in either order")
    func cause() throws {
        var late = try Talk()
        late.tell(.message(.source, .failed(Self.broke)))
        #expect(late.ending == nil)
        late.tell(.message(.destination, .failed(Self.cause)))
        #expect(late.failure == .destinationQEMU)
        var early = try Talk()
        early.tell(.message(.destination, .failed(Self.cause)))
        #expect(early.ending == nil)
        early.tell(.message(.source, .failed(Self.broke)))
        #expect(early.failure == .destinationQEMU)
        var stopped = try Talk()
        stopped.tell(
            .message(.source, .failed(LivemigError(.blackout, "took too long"))),
            .message(.destination, .failed(LivemigError(.cancelled, "the source gave up"))))
        #expect(stopped.failure == .blackout)
        var gone = try Talk()
        gone.tell(
            .message(.source, .failed(LivemigError(.migrationID, "no migration under way"))),
            .message(.destination, .failed(Self.cause)))
        #expect(gone.failure == .destinationQEMU)
        var own = try Talk()
        own.tell(
            .message(.destination, .failed(Self.broke)),
            .message(.source, .failed(LivemigError(.converge, "too fast"))))
        #expect(own.failure == .converge)
        var relay = try Talk()
        relay.tell(
            .relayFailed(LivemigError(.authentication, "refused")),
            .message(.source, .failed(LivemigError(.stall, "no lane"))))
        #expect(relay.failure == .authentication)
    }

    // Breaks when the history does not learn what the side said whose word is not the result.
    @Test("what each side said is kept beside the cause")
    func sides() throws {
        var talk = try Talk()
        talk.tell(
            .message(.destination, .failed(Self.cause)), .message(.source, .failed(Self.broke)))
        #expect(talk.conversation.sides.source?.code == .disconnected)
        #expect(talk.conversation.sides.destination == Self.cause)
        #expect(try Talk().conversation.sides == .init())
    }

    // Breaks when a move that failed by itself is reported as cancelled because the source told the
    // destination to give up.
    @Test("giving up on the source's word is no cause")
    func toldToGiveUp() throws {
        var talk = try Talk()
        talk.tell(
            .message(.source, .failed(LivemigError(.stall, "nothing accepted"))),
            .message(.destination, .failed(LivemigError(.cancelled, "the source gave up"))))
        #expect(talk.failure == .stall)
    }

    // Breaks when an error that both hosts' names explain leaves the operator to guess, or when silence
    // is taken for a host that does not run.
    @Test("what to do names both hosts")
    func advice() throws {
        func fix(_ error: LivemigError) throws -> String? {
            var talk = try Talk()
            talk.tell(.message(.source, .failed(error)))
            talk.tell(.deadline(talk.wake))
            guard case .failed(let error)? = talk.ending else { return nil }
            return error.fix
        }
        let refused = LivemigError(.authentication, "refused", fix: "add the key")
        #expect(try fix(refused) == "run livemig host trust alpha beta")
        #expect(try fix(Self.broke)?.contains("sshd on alpha and beta") ?? false)
        for code in [ErrorCode.stall, .blackout] {
            let words = try #require(try fix(LivemigError(code, "silent")))
            #expect(words.contains("alpha, beta or the path between them is"), "\(words)")
            #expect(words.contains("move again") && !words.contains("check"), "\(words)")
        }
        #expect(try fix(LivemigError(.stall, "silent", fix: "known better")) == "known better")
    }

    // Breaks when a source that never notices keeps the command for ever, or an old timer ends it.
    @Test("a source that does not notice is told, then given up")
    func silentSource() throws {
        var talk = try Talk()
        talk.tell(.message(.destination, .failed(Self.cause)))
        let first = talk.wake
        talk.tell(.deadline(first))
        #expect(talk.cancels == 1)
        talk.tell(.deadline(first))
        #expect(talk.ending == nil, "a timer that was replaced")
        talk.tell(.deadline(talk.wake))
        #expect(talk.failure == .destinationQEMU)
    }

    // Breaks when a lost connection to the source counts as failure of a move that was finished.
    @Test("the destination can finish without the source being heard")
    func lostSource() throws {
        var talk = try Talk()
        talk.tell(.lost(.source, Self.broke), .message(.destination, .moved(report())))
        guard case .moved(_, let error?)? = talk.ending else { Issue.record("not moved"); return }
        #expect(error.code == .cleanup)
        var lost = try Talk()
        lost.tell(.lost(.source, Self.broke))
        lost.tell(.deadline(lost.wake))
        #expect(lost.failure == .disconnected)
        var blind = try Talk()
        blind.tell(.lost(.destination, Self.broke))
        #expect(blind.ending == nil, "only the source can tell")
    }

    // Breaks when Ctrl-C detaches before the commit, cancels after it, or cancels twice.
    @Test("interrupts cancel before the commit and leave after it")
    func interrupts() throws {
        var before = try Talk()
        before.tell(.interrupt, .interrupt, .interrupt)
        #expect(before.cancels == 1)
        #expect(before.ending == nil)
        #expect(before.notes.first == "cancelling…")
        before.tell(.message(.source, .failed(LivemigError(.cancelled, "cancelled"))))
        #expect(before.failure == .cancelled)
        var after = try Talk()
        after.tell(.message(.source, .phase(.committed)), .interrupt)
        #expect(after.ending == nil)
        #expect(after.cancels == 0)
        after.tell(.interrupt)
        #expect(after.failure == .cleanup)
    }

    // Breaks when a move whose commit was not heard says that the guest is on the source, or a
    // failure before the commit says that it is not.
    @Test("a failure is called by where the guest is")
    func truth() throws {
        func code(_ error: ErrorCode, _ host: String) throws -> ErrorCode? {
            let guest = GuestLocation(
                vm: "web1", state: host.isEmpty ? .unknown : .running, host: host,
                epoch: Epoch(7))
            let ending = OutcomeReconciliation.ending(
                .failed(LivemigError(error, "x")), guest, to: try HostName("beta"))
            guard case .failed(let error) = ending else { return nil }
            return error.code
        }
        #expect(try code(.disconnected, "alpha") == .disconnected)
        #expect(try code(.disconnected, "beta") == .cleanup)
        #expect(try code(.cancelled, "beta") == .cleanup)
        #expect(try code(.disconnected, "") == .inTransfer)
        #expect(try code(.cleanup, "") == .cleanup)
        #expect(try code(.inTransfer, "") == .inTransfer)
    }
}
