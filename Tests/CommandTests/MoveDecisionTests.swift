import MigrationModel
import Ownership
import Testing
import WireProtocol

@testable import Commands
@testable import Orchestrator

@Suite("Before a move")
struct MovePlanTests {
    private static func refusal(
        _ source: MoveSide, _ destination: MoveSide, keepPaused: Bool = false
    ) throws -> ErrorCode? {
        var policy = MigrationPolicy()
        policy.keepPaused = keepPaused
        do throws(LivemigError) {
            _ = try MovePlan(
                moving: VMName("web1"), from: source, to: destination, policy: policy)
            return nil
        } catch {
            return error.code
        }
    }

    // Breaks when a move is begun that cannot end well, or one is refused that can.
    @Test("each reason to refuse has its code")
    func refusals() throws {
        let source = try side("alpha", [machine()])
        let free = try side("beta")
        #expect(try Self.refusal(source, free) == nil)
        #expect(try Self.refusal(source, side("beta", identity: "alpha")) == .sameHost)
        #expect(try Self.refusal(side("alpha"), free) == .noVM)
        #expect(try Self.refusal(side("alpha", [machine(.stopped)]), free) == .notRunning)
        #expect(try Self.refusal(side("alpha", [machine(.paused)]), free) == .paused)
        #expect(try Self.refusal(side("alpha", [machine(.paused)]), free, keepPaused: true) == nil)
        #expect(try Self.refusal(side("alpha", [machine(.inTransfer)]), free) == .inTransfer)
        #expect(try Self.refusal(side("alpha", [machine(.unknown)]), free) == .vmState)
        #expect(try Self.refusal(source, side("beta", [machine(name: "x")])) == .duplicateVM)
        #expect(try Self.refusal(source, side("beta", [machine(uuid: 2)])) == .duplicateVM)
        #expect(try Self.refusal(source, side("beta", [machine(name: "x", uuid: 2)])) == nil)
        #expect(try Self.refusal(side("alpha", [machine()], canTrack: false), free) == .kernel)
        #expect(try Self.refusal(side("alpha", damaged: [damage()]), free) == .journalCorrupt)
        #expect(
            try Self.refusal(source, side("beta", damaged: [damage()])) == .journalCorrupt)
        #expect(
            try Self.refusal(source, side("beta", damaged: [damage("x", uuid: 1)]))
                == .journalCorrupt)
        #expect(try Self.refusal(source, side("beta", damaged: [damage("x", uuid: 2)])) == nil)
        #expect(try Self.refusal(source, side("beta", free: .mebibytes(4095))) == .memory)
        #expect(try Self.refusal(source, side("beta", free: .mebibytes(4096))) == nil)
        #expect(try Self.refusal(side("alpha", [machine(right: "INT")]), free) == .busy)
        let copy = machine(.paused, right: "ARM")
        #expect(try Self.refusal(source, side("beta", [copy])) == .busy)
        let dead = machine(.stopped, right: "ARM")
        #expect(try Self.refusal(source, side("beta", [dead])) == .duplicateVM)
        let last = machine(epoch: .max)
        #expect(try Self.refusal(side("alpha", [last]), free) == .internal)
    }

    // Breaks when the lack of memory does not say how much, or ends with another exit code.
    @Test("the lack of memory says what is needed and what is free")
    func memory() throws {
        let error = try #require(throws: LivemigError.self) {
            _ = try MovePlan(
                moving: VMName("web1"), from: side("alpha", [machine()]),
                to: side("beta", free: .mebibytes(1024)), policy: MigrationPolicy())
        }
        #expect(error.what == "needs 4.0 GiB, free 1.0 GiB")
        #expect(error.code.exitCode == .resources)
    }
}

@Suite("Empty hosts")
struct EmptyHostTests {
    // Breaks when a host is called empty although nobody knows whether a VM of it runs.
    @Test("a VM that cannot be read keeps a host from being empty")
    func damaged() throws {
        let alpha = try HostName("alpha")
        let off = [machine(.stopped)]
        try HostControl.requireNoGuests(off, [], on: alpha)
        let error = try #require(throws: LivemigError.self) {
            try HostControl.requireNoGuests(off, [damage("web2")], on: alpha)
        }
        #expect(error.code == .notEmpty)
        #expect(error.what == "alpha is not empty: web2 cannot be read (E-JOURNAL-CORRUPT)")
        let both = try #require(throws: LivemigError.self) {
            try HostControl.requireNoGuests([machine()], [damage("web2")], on: alpha)
        }
        #expect(both.what.hasPrefix("alpha is not empty: web1 is running, web2 cannot be read"))
    }
}

@Suite("Finding a VM")
struct VMSearchTests {
    private static func find(
        _ answers: [(String, Result<[MachineSummary], LivemigError>)],
        damaged: [String: DamagedMachine] = [:]
    ) throws -> String {
        let answers = try answers.map { host, result in
            HostAnswer(
                try hostRecord(host),
                result.map { MachineList($0, damaged: damaged[host].map { [$0] } ?? []) })
        }
        return answers[try VMSearch.find(VMName("web1"), in: answers).index].host.name.text
    }

    private static let refused = LivemigError(.connect, "refused")

    // Breaks when a VM is looked for on the wrong host, or a silent host hides one that answers.
    @Test("the host that has the VM is found")
    func found() throws {
        #expect(try Self.find([("a", .success([])), ("b", .success([machine()]))]) == "b")
        #expect(
            try Self.find([("a", .failure(Self.refused)), ("b", .success([machine()]))]) == "b")
        #expect(
            try Self.find([
                ("a", .success([machine(.stopped, right: "GONE")])), ("b", .success([machine()])),
            ]) == "b")
    }

    // Breaks when one of two owners is chosen, which may be the wrong one.
    @Test("a VM that two hosts own is on neither")
    func claimed() throws {
        let error = try #require(throws: LivemigError.self) {
            _ = try Self.find([
                ("a", .success([machine(.stopped)])), ("b", .success([machine()])),
            ])
        }
        #expect(error.code == .internal)
        #expect(error.what.contains("a (epoch 6) and b (epoch 6)"), "\(error)")
    }

    // Breaks when a copy that waits for its right to run is taken for the VM.
    @Test("a copy without the right to run is not the VM")
    func copies() throws {
        let copy = machine(.paused, right: "ARM")
        #expect(try Self.find([("a", .success([copy])), ("b", .success([machine()]))]) == "b")
        let moving = machine(right: "INT")
        #expect(try Self.find([("a", .success([moving])), ("b", .success([copy]))]) == "a")
    }

    // Breaks when a VM that its host cannot read hides one of the same name that may run, is taken
    // for missing, or stands in the way of another.
    @Test("a VM that cannot be read says so itself")
    func damaged() throws {
        let leftover = machine(.stopped, right: "GONE")
        #expect(
            try Self.find(
                [("a", .success([])), ("b", .success([machine()]))], damaged: ["a": damage()])
                == "b")
        #expect(
            try Self.find(
                [("a", .success([machine()]))], damaged: ["a": damage("other", uuid: 1)]) == "a")
        for machines in [[], [leftover]] {
            let error = try #require(throws: LivemigError.self) {
                _ = try Self.find(
                    [
                        ("a", .success(machines)), ("b", .failure(Self.refused)),
                        ("c", .success([])),
                    ],
                    damaged: ["c": damage()])
            }
            #expect(error == (try damage().error))
        }
    }

    // Breaks when a VM that is missing or there twice is taken for found, or silence for absence.
    @Test("what is not found says why")
    func notFound() throws {
        let none = try #require(throws: LivemigError.self) {
            _ = try Self.find([
                ("a", .success((0..<12).map { machine(name: "vm\($0)") })),
                ("b", .success([])),
            ])
        }
        #expect(none.code == .noVM)
        #expect(none.explanation.contains("and 2 more"))
        let twice = try #require(throws: LivemigError.self) {
            _ = try Self.find([("a", .success([machine()])), ("b", .success([machine(uuid: 2)]))])
        }
        #expect(twice.code == .ambiguousVM)
        let silent = try #require(throws: LivemigError.self) {
            _ = try Self.find([("a", .failure(Self.refused)), ("b", .failure(Self.refused))])
        }
        #expect(silent.code == .connect)
        #expect(silent.what.contains("no host could be asked for VM"))
    }

    // Breaks when a VM that may be on a host that could not be asked is said not to be there.
    @Test("silence is not absence, and an answer is not silence")
    func unasked() throws {
        for code in [ErrorCode.connect, .version, .authentication] {
            let error = try #require(throws: LivemigError.self) {
                _ = try Self.find([
                    ("a", .success([machine(name: "other")])),
                    ("b", .failure(LivemigError(code, "no answer", at: "b"))),
                    ("c", .failure(Self.refused)),
                ])
            }
            #expect(error.code == code)
            #expect(error.what.contains("is not on a, and may be on b and c"), "\(error)")
            #expect(error.what.contains("nor could c (E-CONNECT) be asked"), "\(error)")
        }
        #expect(ErrorCode.connect.wordsOfHost == "not reachable")
        #expect(ErrorCode.version.wordsOfHost == "reached, with an error")
        #expect(ErrorCode.authentication.wordsOfHost == "reached, but not trusted")
    }

    // Breaks when naming a host is the advice for a VM that could run twice then.
    @Test(
        "one VM on two hosts is not ambiguous",
        arguments: [
            ("REL", "RDY", ErrorCode.inTransfer, "recover web1"),
            ("OWN", "OWN", .internal, "status web1"), ("GONE", "ABT", .inTransfer, "recover web1"),
        ])
    func oneOnTwoHosts(_ here: String, _ there: String, code: ErrorCode, fix: String) throws {
        let error = try #require(throws: LivemigError.self) {
            _ = try Self.find([
                ("a", .success([machine(.paused, right: here)])),
                ("b", .success([machine(.paused, right: there)])),
            ])
        }
        #expect(error.code == code)
        #expect(error.fix.contains(fix))
    }
}

@Suite("During a move")
struct MoveConversationTests {
    private struct Talk {
        var conversation: MoveConversation
        var ending: MoveOutcome.Ending?
        var cancels = 0
        var wake = 0
        var notes: [String] = []

        init(_ verification: MigrationPolicy.Verification = .pages) throws {
            conversation = MoveConversation(
                source: try HostName("alpha"), destination: try HostName("beta"),
                verification: verification)
        }

        mutating func tell(_ inputs: MoveConversation.Input...) {
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
}

@Suite("Where a VM is")
struct WhereaboutsTests {
    private static func judge(
        _ views: (String, Whereabouts.View)...
    ) throws -> Whereabouts {
        Whereabouts(of: "web1", try views.map { .init(host: try HostName($0), view: $1) })
    }

    private static func view(
        _ word: String, _ state: GuestLocation.State = .running, epoch: UInt64 = 7,
        peer: String = ""
    ) -> Whereabouts.View {
        .record(
            OwnershipRecord(
                uuid: machine().uuid, right: record(word, epoch: epoch), peer: peer, time: 0),
            state)
    }

    private static let silent = Whereabouts.View.silent(LivemigError(.connect, "refused"))

    // Breaks when a host without the right is said to hold the guest, or silence is a guess.
    @Test("only a record that gives the right decides")
    func verdicts() throws {
        let owner = try Self.judge(("alpha", Self.view("OWN")), ("beta", .absent))
        #expect(owner.guest.description == "VM web1 is RUNNING on alpha (epoch 7)")
        #expect(owner.trouble == nil)
        let away = try Self.judge(
            ("alpha", Self.view("GONE", .stopped, peer: "beta")), ("beta", Self.view("OWN")))
        #expect(away.guest.host == "beta")
        let interrupted = try Self.judge(
            ("alpha", Self.view("INT")), ("beta", Self.view("RDY", .paused, peer: "alpha")))
        #expect(interrupted.guest.host == "alpha")
        #expect(interrupted.sentence.contains("interrupted"))
        let given = try Self.judge(
            ("alpha", Self.view("REL", .paused, peer: "beta")), ("beta", Self.silent))
        #expect(given.guest.state == .inTransfer)
        #expect(given.trouble?.code.exitCode == .inTransfer)
        #expect(given.sentence.contains("do not start it"))
        let waiting = try Self.judge(
            ("alpha", Self.silent), ("beta", Self.view("RDY", .paused, peer: "alpha")))
        #expect(waiting.guest.state == .unknown)
        #expect(waiting.trouble?.code.exitCode == .inTransfer)
        let both = try Self.judge(("alpha", Self.view("OWN")), ("beta", Self.view("OWN")))
        #expect(both.trouble?.code.exitCode == .internal)
        #expect(try Self.judge(("alpha", .absent), ("beta", .absent)).trouble?.code == .noVM)
        #expect(try Self.judge(("alpha", .absent), ("beta", Self.silent)).trouble?.code == .connect)
    }

    // Breaks when a step is planned for another host than the record's peer, a stale copy is called
    // back to life because a third host took the VM on, or anything is done without the host that
    // does not answer.
    @Test("what a recovery does among three hosts")
    func plans() throws {
        func steps(_ found: Whereabouts) -> [String] {
            found.parties.steps.map { "\($0.host) \(RecoveryText.words($0.step))" }
        }
        let given = Self.view("REL", .paused, peer: "beta")
        let flight = try Self.judge(
            ("gamma", .absent), ("alpha", given), ("beta", Self.view("RDY", .paused, peer: "alpha"))
        )
        #expect(flight.parties.verdict == .handOverInFlight)
        #expect(
            steps(flight) == [
                "beta took the right to run; the guest runs", "alpha removed the copy",
            ])
        let refused = try Self.judge(("alpha", given), ("beta", .absent), ("gamma", Self.silent))
        #expect(
            steps(refused) == [
                "beta gave the attempt up and removed the copy",
                "alpha took the right back; the guest runs",
            ])
        let unsure = try Self.judge(("alpha", given), ("beta", Self.silent), ("gamma", .absent))
        #expect(unsure.parties.verdict == .sourceMustNotRun && steps(unsure).isEmpty)
        let unlisted = try Self.judge(("alpha", given), ("gamma", .absent))
        #expect(unlisted.parties.verdict == .sourceMustNotRun && steps(unlisted).isEmpty)
        let wentOn = try Self.judge(
            ("alpha", given), ("beta", Self.view("GONE", .stopped, epoch: 8, peer: "gamma")),
            ("gamma", Self.silent))
        #expect(wentOn.parties.verdict == .movedOn)
        #expect(steps(wentOn) == ["alpha removed the copy"])
        let third = try Self.judge(
            ("alpha", given), ("beta", Self.view("GONE", .stopped, epoch: 8, peer: "gamma")),
            ("gamma", Self.view("OWN", epoch: 8)))
        #expect(third.guest.host == "gamma")
        #expect(steps(third).contains("alpha removed the copy"))
        let orphan = try Self.judge(
            ("alpha", Self.view("GONE", .unknown, peer: "beta")), ("beta", Self.view("OWN")))
        #expect(
            steps(orphan) == ["beta made sure that the guest runs", "alpha removed the copy"])
        let twice = try Self.judge(("alpha", Self.view("OWN")), ("beta", Self.view("OWN")))
        #expect(steps(twice) == ["alpha stopped the guest", "beta stopped the guest"])
    }

    // Breaks when a host that lies in its records costs another host its guest: an owner is told to
    // give up or stopped, or a copy that is handed over is removed by the word of a third host.
    @Test(
        "a host that lies makes a VM undecidable at most", arguments: ["OWN", "INT", "GONE", "REL"])
    func liars(word: String) throws {
        func steps(_ found: Whereabouts, on host: String) -> [RecoveryStep] {
            found.parties.steps.filter { $0.host.text == host }.map(\.step)
        }
        let lie = Whereabouts.View.record(
            OwnershipRecord(
                uuid: machine().uuid, right: lying(word), peer: "delta", time: 0), .running)
        let owner = try Self.judge(("alpha", Self.view("OWN")), ("gamma", lie))
        #expect(steps(owner, on: "alpha").allSatisfy { $0 == .settle })
        if lying(word).mayRun {
            #expect(owner.sentence.contains("gamma") && owner.sentence.contains("alpha"))
            #expect(owner.trouble?.code.exitCode == .internal)
            #expect(owner.trouble?.fix.contains("--overruled alpha") == true)
        }
        let given = Self.view("REL", .paused, peer: "beta")
        let away = try Self.judge(("alpha", given), ("beta", Self.silent), ("gamma", lie))
        #expect(steps(away, on: "alpha") == [], "the copy may be the only good one")
        let flight = try Self.judge(
            ("alpha", given), ("beta", Self.view("RDY", .paused, peer: "alpha")), ("gamma", lie))
        #expect(
            !steps(flight, on: "beta").contains { if case .discard = $0 { true } else { false } })
    }

    /// A record at an epoch that nobody else knows of, by an attempt of its own.
    private func lying(_ word: String) -> Right {
        let attempt = Attempt(
            migration: MigrationID(Bits128(high: 6, low: 6)), epoch: Epoch(507))
        return switch word {
        case "OWN": .owner(Epoch(507), nil)
        case "INT": .intent(attempt)
        case "GONE": .gone(attempt)
        default: .released(attempt, digest: .zero)
        }
    }

    // Breaks when two VMs of one name are taken for one that is claimed twice, or what is left of
    // one that has gone hides the other.
    @Test("two VMs of one name are two VMs")
    func namesakes() throws {
        func entry(_ host: String, _ word: String, _ uuid: UInt64) throws -> Whereabouts.Entry {
            Whereabouts.Entry(
                host: try HostName(host),
                view: .record(
                    OwnershipRecord(
                        uuid: VMUUID(Bits128(high: 0, low: uuid)), right: record(word, epoch: 7),
                        peer: "", time: 0), .running))
        }
        let two = Whereabouts.apart(
            "web1", [try entry("alpha", "OWN", 1), try entry("beta", "OWN", 2)])
        #expect(two.map(\.sentence) == ["runs on alpha", "runs on beta"])
        #expect(two.allSatisfy { $0.trouble == nil && $0.parties.steps.map(\.step) == [.settle] })
        let one = Whereabouts.apart(
            "web1", [try entry("alpha", "GONE", 1), try entry("beta", "OWN", 2)])
        #expect(one.map(\.sentence) == ["runs on beta"])
        let lists = try [("alpha", UInt64(1)), ("beta", 2)].map { name, uuid in
            HostAnswer(
                HostRecord(name: try HostName(name), address: name, hostKeys: []),
                .success(MachineList([machine(uuid == 1 ? .running : .stopped, uuid: uuid)])))
        }
        let error = #expect(throws: LivemigError.self) {
            _ = try VMSearch.find(try VMName("web1"), in: lists)
        }
        #expect(error?.code == .ambiguousVM)
    }

    // Breaks when a move whose commit was not heard says that the guest is on the source, or a
    // failure before the commit says that it is not.
    @Test("a failure is called by where the guest is")
    func truth() throws {
        func code(_ error: ErrorCode, _ host: String) throws -> ErrorCode? {
            let guest = GuestLocation(
                vm: "web1", state: host.isEmpty ? .unknown : .running, host: host,
                epoch: Epoch(7))
            let ending = MoveTruth.ending(
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

    // Breaks when a refusal hides a guest in transit behind a lesser exit code.
    @Test("several results end with the worst")
    func worst() {
        #expect(ExitCode.worst(of: []) == .success)
        #expect(ExitCode.worst(of: [.success, .refused]) == .refused)
        #expect(ExitCode.worst(of: [.cancelled, .failedOnSource, .inTransfer]) == .inTransfer)
        #expect(ExitCode.worst(of: [.busy, .resources]) == .resources)
    }
}
